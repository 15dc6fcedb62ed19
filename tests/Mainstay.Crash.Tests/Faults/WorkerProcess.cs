using System.Collections.Concurrent;
using System.Diagnostics;

namespace Mainstay.Tests;

/// <summary>A node of the fault tests as a process of its own, with a wire to the server.</summary>
internal sealed class WorkerProcess : ChildProcess
{
    private readonly NodeSettings _settings;
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _heard = new();

    public WorkerProcess(NodeSettings settings, Wire wire, string logFile) : base("node", logFile)
    {
        (_settings, Wire) = (settings, wire);
        wire.Story = () => LastWords;
        Said += line =>
        {
            if (line.StartsWith("@ ", StringComparison.Ordinal))
                Heard(line[2..]).TrySetResult();
        };
    }

    public Wire Wire { get; }

    /// <summary>More of its environment, for the next start.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>Returns when it has said this, in this life or one before.</summary>
    public async Task SaysAsync(string what, CancellationToken cancellation)
    {
        try
        {
            await Heard(what).Task.WaitAsync(Scene.Patience, cancellation);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"The node has not said '{what}'. It said last:\n{LastWords}");
        }
    }

    /// <returns>Whether it got ready; false when it ended instead.</returns>
    public async Task<bool> IsReadyAsync(CancellationToken cancellation)
    {
        await Wait.UntilAsync("the node is ready or has ended", Scene.Patience, () => Task.FromResult(HasSaid("ready") || HasExited), cancellation, () => LastWords);
        return HasSaid("ready");
    }

    /// <summary>Returns when it has said these words among others.</summary>
    public Task LogsAsync(string words, CancellationToken cancellation) =>
        Wait.UntilAsync($"the node logs '{words}'", Scene.Patience, () => Task.FromResult(HasLogged(words)), cancellation, () => LastWords);

    /// <summary>Places orders, one after the other, until one is answered like this.</summary>
    /// <param name="answer">"ordered" or "not ordered".</param>
    /// <param name="name">Part of their keys.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task OrderUntilAsync(string answer, string name, CancellationToken cancellation)
    {
        var number = 0;
        await Wait.UntilAsync($"an order is {answer}", Scene.Patience, async () =>
        {
            var key = $"order-{name}-{number++}";
            Tell($"order {key}");
            await Wait.UntilAsync("it is answered", Scene.Patience, () => Task.FromResult(HasSaid($"ordered {key}") || HasSaid($"not ordered {key}")), cancellation, () => LastWords);
            return HasSaid($"{answer} {key}");
        }, cancellation, () => LastWords);
    }

    public bool HasSaid(string what) => Heard(what).Task.IsCompleted;

    public override void Start()
    {
        _heard.TryRemove("ready", out _);
        base.Start();
    }

    public override void Dispose()
    {
        base.Dispose();
        _ = Wire.DisposeAsync().AsTask();
    }

    protected override ProcessStartInfo StartInfo()
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Mainstay.Crash.Worker")) { ArgumentList = { _settings.Write() } };
        // A dump for each of a thousand deaths would fill the disk.
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        start.Environment["DOTNET_gcServer"] = "0";
        // Nor does it live long enough to gain anything from being measured and compiled again, which is a quarter of what it costs.
        start.Environment["DOTNET_TC_CallCounting"] = "0";
        foreach (var (name, value) in Environment)
            start.Environment[name] = value;
        return start;
    }

    private TaskCompletionSource Heard(string what) => _heard.GetOrAdd(what, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}
