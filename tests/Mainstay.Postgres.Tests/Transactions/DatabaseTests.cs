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
    public async Task Upkeep_has_its_turns_one_after_the_other_whichever_pool_it_uses_and_goes_on_after_one_that_failed()
    {
        await using var database = await CreateAsync();
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var turns = new List<string>();

        var failing = database.UpkeepAsync(async _ =>
        {
            await first.Task;
            turns.Add("first");
            throw new InvalidOperationException("It fails.");
        }, Stop);
        var second = database.Apart.UpkeepAsync(_ => { turns.Add("second"); return Task.CompletedTask; }, Stop);
        using var ends = new CancellationTokenSource();
        var third = database.UpkeepAsync(_ => { turns.Add("third"); return Task.CompletedTask; }, ends.Token);
        await ends.CancelAsync();
        await third.ShouldThrowAsync<OperationCanceledException>();
        turns.ShouldBeEmpty();
        first.SetResult();

        await failing.ShouldThrowAsync<InvalidOperationException>();
        await second;
        turns.ShouldBe(["first", "second"]);
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
        await using var database = await CreateAsync();
        await UseAsync(database.Apart, Limit);

        var refused = await database.OpenAsync(Deadline.After(TimeSpan.FromMilliseconds(300), TimeProvider.System), Stop).AsTask().ShouldThrowAsync<ProblemException>();

        refused.Type.ShouldBe(ProblemCatalogue.DatabaseUnavailable);
        database.Recover((PostgresException)refused.InnerException!);
        await database.Source.OpenConnectionAsync(Stop).AsTask().ShouldThrowAsync<PostgresException>();
    }

    private async Task<Database> CreateAsync()
    {
        var connectionString = new NpgsqlConnectionStringBuilder(await postgres.CreateDatabaseAsync());
        await using var administrator = new NpgsqlConnection(postgres.Server.AdministratorConnectionString);
        await administrator.OpenAsync(Stop);
        await using var command = new NpgsqlCommand($"alter database {connectionString.Database} connection limit {Limit}", administrator);
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
            connections.Add(await database.OpenAsync(Deadline.Never, Stop));
        return connections;
    }
}
