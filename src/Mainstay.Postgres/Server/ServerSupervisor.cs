using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// Notices a dead server and starts it again. One that lives for a minute is healthy; one that dies or fails to start again and again is tried
/// ever more rarely: at once twice, then after 1 s, 2 s, 4 s … 30 s. It never gives up, because a full disk gets emptied.
/// </summary>
internal sealed class ServerSupervisor(EmbeddedServerOptions options, Func<bool> isRunning, Func<CancellationToken, Task> tend, Func<CancellationToken, Task> restart, Func<string> logTail, ILogger log, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan Healthy = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan PauseMax = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly CancellationTokenSource stopping = new();
    private Task loop = Task.CompletedTask;
    private int deaths;
    private long lastDeath;

    /// <summary>Why the server is not running. Null when it is.</summary>
    public ConfigurationException? Failure { get; private set; }

    public void Start() => loop = RunAsync();

    /// <summary>Returns when the server runs, having started it again if it was dead. Throws when it cannot be started now.</summary>
    public async Task CheckAsync(CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation);
        try
        {
            if (isRunning())
            {
                if (deaths > 0 && time.GetElapsedTime(lastDeath) > Healthy) deaths = 0;
                Failure = null;
                await tend(cancellation);
                return;
            }
            if (deaths > 0 && time.GetElapsedTime(lastDeath) < Pause(deaths))
                throw Failure ??= new ConfigurationException("MST1122",
                    $"PostgreSQL died {deaths} times within a short while and is not started again before {Pause(deaths).TotalSeconds:0} s have passed. Its last words:\n{logTail()}");

            deaths++;
            lastDeath = time.GetTimestamp();
            await RestartAsync(cancellation);
        }
        finally
        {
            turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await loop;
        stopping.Dispose();
        turn.Dispose();
    }

    internal static TimeSpan Pause(int deaths) =>
        deaths < 2 ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Min(PauseMax.TotalSeconds, Math.Pow(2, Math.Min(deaths - 2, 10))));

    private async Task RestartAsync(CancellationToken cancellation)
    {
        ServerLog.Died(log, options.DataFolder);
        try
        {
            await restart(cancellation);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            Failure = new ConfigurationException("MST1122", $"PostgreSQL died and could not be started again, {deaths} times so far. {e.Message}", e);
            ServerLog.RestartFailed(log, deaths, Pause(deaths), e);
            throw Failure;
        }
        Failure = null;
        ServerLog.Revived(log, options.DataFolder);
    }

    private async Task RunAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(options.CheckInterval, time, stopping.Token);
                await CheckAsync(stopping.Token);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (ConfigurationException)
            {
                // Logged by the check that found it; Failure holds it for whoever asks.
            }
            catch (Exception e)     // whatever it is: a server that nobody watches stays dead
            {
                ServerLog.NotChecked(log, e);
            }
        }
    }
}
