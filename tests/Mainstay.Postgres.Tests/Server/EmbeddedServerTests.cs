using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

public sealed class PostgresFixtureTests(PostgresFixture postgres)
{
    [Fact]
    public async Task The_fixture_gives_fresh_databases_owned_by_the_application_role()
    {
        await using var source = NpgsqlDataSource.Create(await postgres.CreateDatabaseAsync());

        await using var command = source.CreateCommand("create table t (id int); select current_user || ' ' || count(*) from t group by ()");

        (await command.ExecuteScalarAsync(TestContext.Current.CancellationToken)).ShouldBe("mainstay 0");
    }
}
