using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Takes connections on a port of its own and opens one to the socket of a server for each. What passes between the two is for others to decide.</summary>
internal sealed class SocketForwarder : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Func<Socket, Socket, CancellationToken, Task> _serve;
    private volatile EndPoint _server;
    private volatile bool _refusesConnections;

    /// <param name="connectionString">Names the server.</param>
    /// <param name="serve">Carries what the client, the first socket, and the server say to each other, until one of them has gone.</param>
    public SocketForwarder(string connectionString, Func<Socket, Socket, CancellationToken, Task> serve)
    {
        (_server, _serve) = (SocketOf(connectionString), serve);
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Whether whoever comes is turned away. Those that are in stay.</summary>
    public bool RefusesConnections
    {
        set => _refusesConnections = value;
    }

    /// <summary>Leads to another server from now on.</summary>
    public void LeadTo(string connectionString) => _server = SocketOf(connectionString);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_stopping.Token);
                if (_refusesConnections)
                    client.Dispose();
                else
                    _ = ServeAsync(client);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test has ended.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var server = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using (client)
            try
            {
                client.NoDelay = true;
                await server.ConnectAsync(_server, _stopping.Token);
                await _serve(client, server, _stopping.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or IOException or ObjectDisposedException)
            {
                // One of the two has gone.
            }
    }

    private static UnixDomainSocketEndPoint SocketOf(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        return new($"{settings.Host}/.s.PGSQL.{settings.Port}");
    }
}
