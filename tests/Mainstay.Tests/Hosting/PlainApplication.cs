using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>An ordinary ASP.NET Core application on a port of its own, without anything of Mainstay but what the test adds.</summary>
internal sealed class PlainApplication : IAsyncDisposable
{
    private readonly WebApplication _app;

    private PlainApplication(WebApplication app)
    {
        _app = app;
#pragma warning disable RS0030 // The client of a test has no dependency to declare.
        Client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
#pragma warning restore RS0030
    }

    public HttpClient Client { get; }

    public IServiceProvider Services => _app.Services;

    public static async Task<PlainApplication> StartAsync(string connectionString, Action<IServiceCollection> services, Action<WebApplication>? map = null, string environment = "Development")
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = environment });
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["ConnectionStrings:mainstay"] = connectionString, ["Mainstay:Schema"] = "apply" });
        services(builder.Services);
        var app = builder.Build();
        map?.Invoke(app);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new PlainApplication(app);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
    }
}

/// <summary>A database of a test class.</summary>
internal static class TestDatabase
{
    public static async Task<int> ExecuteAsync(this NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        return await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    public static async Task<T> ScalarAsync<T>(this NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    /// <summary>Waits until a statement gives the value; fails with the last one it gave.</summary>
    public static async Task ShouldBecomeAsync<T>(this NpgsqlDataSource source, string sql, T expected)
    {
        var patience = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var value = await source.ScalarAsync<T>(sql);
            if (Equals(value, expected))
                return;
            if (TimeProvider.System.GetElapsedTime(patience) > TimeSpan.FromSeconds(20))
                value.ShouldBe(expected, sql);
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }
}
