using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mainstay.Tests;

/// <summary>Somebody else who gets messages over HTTP and knows those again that it has got, by an inbox. What it does with one is an effect in the ledger.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _arrivals;

    private Receiver(WebApplication app) => _app = app;

    public string Address => _app.Urls.First();

    public int Arrivals => Volatile.Read(ref _arrivals);

    /// <summary>How many of the first confirmations get lost: what is said is done, and the connection is cut instead of an answer.</summary>
    public int Loses { get; init; }

    /// <summary>Keeps the first confirmation back until it is set.</summary>
    public TaskCompletionSource? Holds { get; init; }

    /// <summary>The first message has been handled.</summary>
    public TaskCompletionSource Handled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="scene">Whose database it uses.</param>
    /// <param name="address">Where it listens. Default: a port that is free.</param>
    /// <param name="loses"><see cref="Loses"/>.</param>
    /// <param name="holds"><see cref="Holds"/>.</param>
    public static async Task<Receiver> StartAsync(Scene scene, string address = "http://127.0.0.1:0", int loses = 0, TaskCompletionSource? holds = null)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = "Development" });
        builder.WebHost.UseUrls(address);
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["ConnectionStrings:mainstay"] = scene.Database, ["Mainstay:Schema"] = "apply" });
        builder.Services.AddInbox(inbox => inbox.Source("peers"));
        var app = builder.Build();
        var receiver = new Receiver(app) { Loses = loses, Holds = holds };
        app.MapPost("/messages/{id}", receiver.ReceiveAsync);
        await app.StartAsync(Scene.Stop);
        return receiver;
    }

    public async ValueTask DisposeAsync()
    {
        Holds?.TrySetResult();
        await _app.DisposeAsync();
    }

    private async Task ReceiveAsync(string id, string key, HttpContext http, Inbox inbox)
    {
        await inbox.ReceiveAsync("peers", id, async work =>
        {
            await work.ExecuteAsync($"insert into effects (key) values ({key})");
            return "done";
        }, CancellationToken.None);
        var arrival = Interlocked.Increment(ref _arrivals);
        Handled.TrySetResult();
        if (arrival == 1 && Holds is { } holds)
            await holds.Task;
        if (arrival <= Loses)
            http.Abort();
    }
}
