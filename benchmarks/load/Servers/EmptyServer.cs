using Microsoft.AspNetCore.Builder;

namespace Mainstay.Benchmarks;

/// <summary>The least that can start.</summary>
internal static class EmptyServer
{
    public static async Task<int> RunAsync(string[] settings)
    {
        await using var app = WebApplication.CreateBuilder(settings).Build();
        app.MapGet("/", () => "ready");
        await app.RunAsync();
        return 0;
    }
}
