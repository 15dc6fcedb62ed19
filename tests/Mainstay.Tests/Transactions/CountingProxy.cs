using System.Net.Sockets;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>
/// Stands between Npgsql and the server's socket. Counts how often the client speaks after the server has spoken, which is what a network would
/// cost, and can cut the wire at a chosen word: before the server hears it, or before its answer arrives.
/// </summary>
internal sealed class CountingProxy : IAsyncDisposable
{
    private readonly SocketForwarder _forwarder;
    private readonly Lock _gate = new();
    private readonly List<Socket> _open = [];
    private int _turns;
    private int _cuts;
    private volatile string? _cutBefore;
    private volatile string? _cutAfter;
    private volatile bool _cutsForGood;

    public CountingProxy(string connectionString)
    {
        _forwarder = new SocketForwarder(connectionString, ServeAsync);
        ConnectionString = new NpgsqlConnectionStringBuilder(connectionString) { Host = "127.0.0.1", Port = _forwarder.Port, SslMode = SslMode.Disable }.ConnectionString;
    }

    public string ConnectionString { get; }

    public int Turns => Volatile.Read(ref _turns);

    /// <summary>How often it has met a word and cut the wire there.</summary>
    public int Cuts => Volatile.Read(ref _cuts);

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

    /// <summary>The next message with this word does not reach the server.</summary>
    /// <param name="word">The word.</param>
    /// <param name="forGood">Whether the wire stays down from then on.</param>
    public void CutBefore(string word, bool forGood = false) => (_cutsForGood, _cutBefore) = (forGood, word);

    /// <summary>The next message with this word reaches the server, whose answer gets lost.</summary>
    /// <param name="word">The word.</param>
    /// <param name="forGood">Whether the wire stays down from then on.</param>
    public void CutAfter(string word, bool forGood = false) => (_cutsForGood, _cutAfter) = (forGood, word);

    private async Task ServeAsync(Socket client, Socket server, CancellationToken stopping)
    {
        lock (_gate)
            _open.AddRange([client, server]);
        var wire = new Wire();
        await await Task.WhenAny(PumpAsync(client, server, wire, isClient: true, stopping), PumpAsync(server, client, wire, isClient: false, stopping));
    }

    private async Task PumpAsync(Socket from, Socket to, Wire wire, bool isClient, CancellationToken stopping)
    {
        var buffer = new byte[128 * 1024];
        int count;
        while ((count = await from.ReceiveAsync(buffer, stopping)) > 0)
        {
            if (isClient)
            {
                // Nobody waits for the answer to a good-bye, which a pool says to what is idle whenever it likes.
                if (!IsGoodBye(buffer.AsSpan(0, count)) && wire.Heard(isClient: true))
                    Interlocked.Increment(ref _turns);
                var text = System.Text.Encoding.Latin1.GetString(buffer, 0, count);
                if (_cutBefore is { } before && text.Contains(before, StringComparison.Ordinal))
                {
                    _cutBefore = null;
                    Interlocked.Increment(ref _cuts);
                    IsDown = _cutsForGood;
                    return;
                }
                if (_cutAfter is { } after && text.Contains(after, StringComparison.Ordinal))
                {
                    _cutAfter = null;
                    wire.LosesAnswer = true;
                }
            }
            else
            {
                if (wire.LosesAnswer)
                {
                    Interlocked.Increment(ref _cuts);
                    IsDown = _cutsForGood;
                    return;
                }
                wire.Heard(isClient: false);
            }
            await to.SendAsync(buffer.AsMemory(0, count), stopping);
        }
    }

    private static bool IsGoodBye(ReadOnlySpan<byte> message) => message.SequenceEqual("X\0\0\0\u0004"u8);

    private void BreakAll()
    {
        lock (_gate)
        {
            foreach (var socket in _open)
                socket.Dispose();
            _open.Clear();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _forwarder.DisposeAsync();
        BreakAll();
    }

    private sealed class Wire
    {
        private readonly Lock _gate = new();
        private bool _serverSpokeLast = true;

        public bool LosesAnswer { get; set; }

        /// <returns>Whether it is the client's turn after the server's.</returns>
        public bool Heard(bool isClient)
        {
            lock (_gate)
            {
                var isTurn = isClient && _serverSpokeLast;
                _serverSpokeLast = !isClient;
                return isTurn;
            }
        }
    }
}
