using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// <c>/health/live</c>: the process runs; restarting it would not help while this answers. <c>/health/ready</c>: it can serve, that is, the
/// database answers and the process is not stopping.
/// </summary>
internal static class HealthEndpoints
{
    private static readonly string[] getAndHead = ["GET", "HEAD"];
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(2);

    public static void Map(WebApplication app, BackendServices services)
    {
        app.MapMethods("/health/live", getAndHead, http => SendAsync(http, 200, "live"));
        app.MapMethods("/health/ready", getAndHead, async http =>
        {
            if (app.Lifetime.ApplicationStopping.IsCancellationRequested)
                await SendAsync(http, 503, "stopping");
            else
                await SendAsync(http, await AnswersAsync(services, http.RequestAborted) ? 200 : 503, null);
        });
    }

    private static Task SendAsync(HttpContext http, int status, string? text)
    {
        var body = System.Text.Encoding.UTF8.GetBytes($$"""{"status":"{{text ?? (status == 200 ? "ready" : "database unavailable")}}"}""");
        return AnswerSender.SendAsync(http, new Answer(status, body) { Headers = [new("Content-Type", WireFormat.Json), new("Cache-Control", "no-store")] });
    }

    private static async Task<bool> AnswersAsync(BackendServices services, CancellationToken aborted)
    {
        using var timeout = new CancellationTokenSource(patience, services.Clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(aborted, timeout.Token);
        try
        {
            await using var command = services.Database.Source.CreateCommand("select 1");
            return await command.ExecuteScalarAsync(either.Token) is 1;
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            return false;
        }
    }
}
