using System.Net.Sockets;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>
/// Stands between a server and PostgreSQL, passes everything on, and keeps what the server sends. So the statements that are compared with are the ones that
/// are really sent, whatever they will be.
/// </summary>
internal sealed class WireRecorder : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly List<WireStatement[]> _pipelines = [];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mainstay-wire-");
    private readonly CancellationTokenSource _stopping = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly UnixDomainSocketEndPoint _target;
    private readonly Task _accepting;

    /// <exception cref="MeasurementException">PostgreSQL does not listen on a Unix socket.</exception>
    public WireRecorder(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        if (settings.Host?.StartsWith('/') is not true)
            throw new MeasurementException("The statements of a server can only be recorded where PostgreSQL listens on a Unix socket.");
        _target = new(Path.Combine(settings.Host, $".s.PGSQL.{settings.Port}"));
        _listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(_folder.FullName, $".s.PGSQL.{settings.Port}")));
        _listener.Listen();
        settings.Host = _folder.FullName;
        ConnectionString = settings.ConnectionString;
        _accepting = AcceptAsync();
    }

    /// <summary>For the server that is to be recorded.</summary>
    public string ConnectionString { get; }

    /// <summary>All that was sent so far up to a Sync, which is what PostgreSQL runs as one transaction.</summary>
    public List<WireStatement[]> Pipelines
    {
        get
        {
            lock (_gate)
                return [.. _pipelines];
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stopping.Dispose();
        _folder.Delete(recursive: true);
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
                connections.Add(ServeAsync(await _listener.AcceptAsync(_stopping.Token)));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
        await Task.WhenAll(connections);
    }

    private async Task ServeAsync(Socket client)
    {
        using var _ = client;
        using var server = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await server.ConnectAsync(_target, _stopping.Token);
        var reader = new WireReader(pipeline =>
        {
            lock (_gate)
                _pipelines.Add(pipeline);
        });
        await Task.WhenAny(PassAsync(client, server, reader.Read), PassAsync(server, client, static _ => { }));
    }

    private async Task PassAsync(Socket from, Socket to, Action<ReadOnlySpan<byte>> see)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            for (int length; (length = await from.ReceiveAsync(buffer, _stopping.Token)) > 0;)
            {
                see(buffer.AsSpan(0, length));
                for (var sent = 0; sent < length;)
                    sent += await to.SendAsync(buffer.AsMemory(sent, length - sent), _stopping.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // One side has gone; the other follows.
        }
    }
}
