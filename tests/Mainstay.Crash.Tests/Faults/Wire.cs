using System.Net.Sockets;
using System.Text;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>
/// Stands between one node and the socket of its server and understands as much of what they say as is needed to stop at a statement. So every statement of the
/// engine is a point at which something can be killed, with nothing of that in the engine: <see cref="Hold"/> stops the wire just before the server hears the statement
/// or just before the node hears the answer, and whoever holds it decides what happens meanwhile.
/// </summary>
/// <remarks>
/// The node must not prepare statements, so that their text is in each message; the connection string that is handed out sees to that.
/// </remarks>
internal sealed class Wire : IAsyncDisposable
{
    private readonly SocketForwarder _forwarder;
    private readonly Lock _lock = new();
    private readonly List<WirePoint> _points = [];
    private readonly List<Cable> _cables = [];

    public Wire(string connectionString)
    {
        _forwarder = new SocketForwarder(connectionString, ServeAsync);
        ConnectionString = new NpgsqlConnectionStringBuilder(connectionString)
        {
            Host = "127.0.0.1", Port = _forwarder.Port, SslMode = SslMode.Disable, GssEncryptionMode = GssEncryptionMode.Disable, MaxAutoPrepare = 0,
        }.ConnectionString;
    }

    public string ConnectionString { get; }

    /// <summary>What the node says. Closed, it is kept and arrives later, as in a network that is cut for a while.</summary>
    public Valve ToServer { get; } = new();

    /// <summary>What the server says.</summary>
    public Valve ToNode { get; } = new();

    /// <summary>How long everything takes, each way.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Whether notifications get lost, as behind a pooler.</summary>
    public bool LosesHints { get; set; }

    /// <summary>Hears what the server tells the node beside its answers. Called by several connections at once.</summary>
    public event Action<string>? Noticed;

    /// <summary>What the node has said, for a message about a failure.</summary>
    public Func<string> Story { get; set; } = () => "";

    /// <summary>How many connections are open.</summary>
    public int Open
    {
        get
        {
            lock (_lock)
                return _cables.Count;
        }
    }

    /// <summary>Whether connections are refused; those that are open break at once.</summary>
    public bool IsDown
    {
        set
        {
            _forwarder.RefusesConnections = value;
            if (value)
                BreakAll();
        }
    }

    /// <summary>Leads to another server from now on. Connections that are open stay where they are until they break.</summary>
    public void LeadTo(string connectionString) => _forwarder.LeadTo(connectionString);

    /// <summary>Holds the wire at a statement, once.</summary>
    /// <param name="statement">Text that is in it and in no other.</param>
    /// <param name="moment">Before the server hears it, or when it has answered.</param>
    /// <param name="about">What the answer has to contain; null for any. Only after it.</param>
    public WirePoint Hold(string statement, Moment moment, string? about = null)
    {
        var point = new WirePoint(statement, moment, about, () => Story());
        lock (_lock)
            _points.Add(point);
        return point;
    }

    public void BreakAll()
    {
        Cable[] cables;
        lock (_lock)
            cables = [.. _cables];
        foreach (var cable in cables)
            cable.Cut();
    }

    public async ValueTask DisposeAsync()
    {
        await _forwarder.DisposeAsync();
        BreakAll();
    }

    internal void Notice(ReadOnlySpan<byte> text) => Noticed?.Invoke(Encoding.UTF8.GetString(text));

    internal WirePoint? PointAt(ReadOnlySpan<byte> text)
    {
        lock (_lock)
        {
            foreach (var point in _points)
                if (text.IndexOf(point.Statement) >= 0)
                    return point;
            return null;
        }
    }

    /// <returns>Whether it is the first to come there.</returns>
    internal bool Take(WirePoint point)
    {
        lock (_lock)
            return _points.Remove(point);
    }

    private async Task ServeAsync(Socket client, Socket server, CancellationToken stopping)
    {
        using var cable = new Cable(this, client, server);
        lock (_lock)
            _cables.Add(cable);
        try
        {
            await cable.RunAsync(stopping);
        }
        finally
        {
            lock (_lock)
                _cables.Remove(cable);
        }
    }
}

/// <summary>Open, or closed for a while.</summary>
internal sealed class Valve
{
    private volatile TaskCompletionSource? _closed;

    public void Close() => _closed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Open() => Interlocked.Exchange(ref _closed, null)?.TrySetResult();

    public Task WhenOpenAsync(CancellationToken cancellation) => _closed?.Task.WaitAsync(cancellation) ?? Task.CompletedTask;
}
