using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

public sealed class DatabaseTests(PostgresFixture postgres)
{
    private const int Limit = 3;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_pool_gets_the_connections_that_the_other_one_has_and_does_not_use(bool isApart)
    {
        await using var database = await CreateAsync();
        var (rich, poor) = isApart ? (database.Apart, database) : (database, database.Apart);
        await UseAsync(rich, Limit);

        await UseAsync(poor, Limit);
    }

    [Fact]
    public async Task A_pool_waits_for_the_connections_that_the_other_one_uses()
    {
        await using var database = await CreateAsync();
        var used = await OpenAsync(database.Apart, Limit);

        var waiting = database.OpenAsync(Deadline.Never, Stop).AsTask();
        await database.Apart.Source.OpenConnectionAsync(Stop).AsTask().ShouldThrowAsync<PostgresException>();
        foreach (var connection in used)
            await connection.DisposeAsync();

        await (await waiting).DisposeAsync();
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
