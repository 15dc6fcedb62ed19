using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Hints between nodes that there is work. Sent after commits, never in them: PostgreSQL holds one lock for the whole server from a NOTIFY to the end of its
/// commit, so that commits which notify wait for each other. Many hints become one. All of them may be lost, also for ever behind a pooler: then polling finds the work.
/// </summary>
internal sealed class NodeHints(Database database, NodeLease lease)
{
    private const string Channel = "mainstay_jobs";

    private static readonly TimeSpan pace = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

    private readonly Hint _hint = new();

    /// <summary>Tells the others, if there are any.</summary>
    public void Raise()
    {
        if (lease.Others > 0)
            _hint.Raise();
    }

    public async Task SendAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
            try
            {
                if (!await _hint.WaitAsync(patience, database.Clock, stopping))
                    continue;
                await using (var command = database.Source.CreateCommand($"select pg_notify('{Channel}', '')"))
                    await command.ExecuteNonQueryAsync(stopping);
                await Task.Delay(pace, database.Clock, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception)
            {
                // A hint, and the loops that do need the database say that it is away.
                await Task.Delay(TimeSpan.FromSeconds(1), database.Clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
    }

    /// <summary>Listens while there are others, on a connection of its own.</summary>
    public async Task ReceiveAsync(Action wake, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            if (lease.Others > 0)
                try
                {
                    await ListenAsync(wake, stopping);
                }
                catch (Exception e) when (e is NpgsqlException or OperationCanceledException || DatabaseErrors.IsUnavailable(e))
                {
                    // Polling goes on meanwhile.
                }
            await Task.Delay(lease.Pace, database.Clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ListenAsync(Action wake, CancellationToken stopping)
    {
        await using var connection = await database.Source.OpenConnectionAsync(stopping);
        if (await IsPooledAsync(connection, stopping))
        {
            await connection.CloseAsync();
            await Task.Delay(patience, database.Clock, stopping);
            return;
        }
        connection.Notification += (_, _) => wake();
        try
        {
            await ExecuteAsync(connection, $"listen {Channel}", stopping);
            wake();     // what came while nobody listened
            while (lease.Others > 0)
                if (!await connection.WaitAsync(patience, stopping))
                    await ExecuteAsync(connection, "select 1", stopping);       // a connection that is dead on the other side only answers to that
        }
        finally
        {
            if (connection.FullState == System.Data.ConnectionState.Open)
                await ExecuteAsync(connection, $"unlisten {Channel}", CancellationToken.None);
        }
    }

    /// <summary>
    /// Whether something stands between us and the server: whoever passes sessions on makes up the key by which a client cancels, process id included.
    /// </summary>
    private static async Task<bool> IsPooledAsync(NpgsqlConnection connection, CancellationToken stopping)
    {
        await using var command = new NpgsqlCommand("select pg_backend_pid()", connection) { CommandTimeout = 5 };
        return (int)(await command.ExecuteScalarAsync(stopping))! != connection.ProcessID;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 5 };
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
