using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

public sealed class DatabaseTests(PostgresFixture postgres)
{
    private const int Limit = 3;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_keeps_the_node_alive_gets_the_connections_that_handlers_have_and_do_not_use()
    {
        await using var database = await CreateAsync();
        await UseAsync(database, Limit);
        var refusal = await database.Apart.Source.OpenConnectionAsync(Stop).AsTask().ShouldThrowAsync<PostgresException>();

        database.Apart.Recover(refusal);

        await UseAsync(database.Apart, Limit);
    }

    [Fact]
    public async Task Upkeep_is_done_one_piece_at_a_time_whichever_pool_it_uses_and_goes_on_after_one_that_failed()
    {
        await using var database = await CreateAsync();
        var begins = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var done = new List<string>();
        Func<CancellationToken, Task<bool>> Pieces(string name, int count) => _ =>
        {
            done.Add(name);
            return Task.FromResult(--count > 0);
        };

        var failing = database.UpkeepAsync(async _ =>
        {
            await begins.Task;
            throw new InvalidOperationException("It fails.");
        }, Stop);
        var large = database.Apart.UpkeepAsync(Pieces("large", 3), Stop);
        var small = database.UpkeepAsync(Pieces("small", 1), Stop);
        using var ends = new CancellationTokenSource();
        var ended = database.UpkeepAsync(Pieces("ended", 1), ends.Token);
        await ends.CancelAsync();
        await ended.ShouldThrowAsync<OperationCanceledException>();
        done.ShouldBeEmpty();
        begins.SetResult();

        await failing.ShouldThrowAsync<InvalidOperationException>();
        await Task.WhenAll(large, small);
        done.ShouldBe(["large", "small", "large", "large"]);
    }

    [Fact]
    public async Task It_waits_for_those_that_they_use()
    {
        await using var database = await CreateAsync();
        var used = await OpenAsync(database, Limit);
        var refusal = await database.Apart.Source.OpenConnectionAsync(Stop).AsTask().ShouldThrowAsync<PostgresException>();
        database.Apart.Recover(refusal);
        await database.Apart.Source.OpenConnectionAsync(Stop).AsTask().ShouldThrowAsync<PostgresException>();

        foreach (var connection in used)
            await connection.DisposeAsync();

        await UseAsync(database.Apart, Limit);
    }

    [Fact]
    public async Task Handlers_do_not_get_the_connections_of_what_keeps_the_node_alive()
    {
        // As many as are kept for as long as nobody needs them.
        const int kept = 2;
        await using var database = await CreateAsync(kept);
        await UseAsync(database.Apart, kept);

        var refused = await database.OpenAsync(Deadline.After(TimeSpan.FromMilliseconds(300), TimeProvider.System), Stop).AsTask().ShouldThrowAsync<ProblemException>();

        refused.Type.ShouldBe(ProblemCatalogue.DatabaseUnavailable);
        database.Recover((PostgresException)refused.InnerException!);
        await database.Source.OpenConnectionAsync(Stop).AsTask().ShouldThrowAsync<PostgresException>();
    }

    private async Task<Database> CreateAsync(int limit = Limit)
    {
        // A server that refuses is told from one that does not answer, however busy it is.
        var connectionString = new NpgsqlConnectionStringBuilder(await postgres.CreateDatabaseAsync()) { Timeout = 60 };
        await using var administrator = new NpgsqlConnection(postgres.Server.AdministratorConnectionString);
        await administrator.OpenAsync(Stop);
        await using var command = new NpgsqlCommand($"alter database {connectionString.Database} connection limit {limit}", administrator);
        await command.ExecuteNonQueryAsync(Stop);
        return new Database(connectionString.ConnectionString, "pools", TimeProvider.System);
    }

    /// <summary>Uses so many connections at the same time, and gives them back to their pool.</summary>
    private static async Task UseAsync(Database database, int count)
    {
        foreach (var connection in await OpenAsync(database, count))
            await connection.DisposeAsync();
    }

    private static async Task<List<NpgsqlConnection>> OpenAsync(Database database, int count)
    {
        List<NpgsqlConnection> connections = [];
        for (var i = 0; i < count; i++)
            connections.Add(await OpenAsync(database));
        return connections;
    }

    /// <summary>Waits for a while until the server has seen the end of those that were given up.</summary>
    private static async Task<NpgsqlConnection> OpenAsync(Database database)
    {
        for (var began = TimeProvider.System.GetTimestamp(); ;)
            try
            {
                return await database.OpenAsync(Deadline.Never, Stop);
            }
            catch (ProblemException) when (TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(20))
            {
                // The next attempt waits by itself.
            }
    }
}
