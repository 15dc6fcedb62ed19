using Npgsql;

namespace Mainstay.Tests;

public sealed class SearchPathTests(PostgresFixture postgres)
{
    [Fact]
    public async Task A_table_of_the_application_may_have_the_name_of_one_of_the_framework()
    {
        await using var connection = new NpgsqlConnection(await postgres.CreateDatabaseAsync());
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand("""
            create schema mainstay;
            create table mainstay.jobs (whose text);
            insert into mainstay.jobs values ('the framework');
            create table jobs (whose text);
            insert into jobs values ('the application');
            select whose from jobs
            """, connection);

        (await command.ExecuteScalarAsync(TestContext.Current.CancellationToken)).ShouldBe("the application");
    }
}
