using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Npgsql;

namespace Mainstay.Tests;

public sealed class PrivatePostgresTests(PostgresFixture postgres)
{
    [Fact]
    public async Task An_application_gets_a_server_of_its_own_that_stops_with_it()
    {
        using var folder = new TemporaryFolder();
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ApplicationName = "Corner Shop" });
        builder.Configuration["Mainstay:DataFolder"] = folder.In(".mainstay");

        string connectionString;
        await using (var server = await PrivatePostgres.StartAsync(builder, TestContext.Current.CancellationToken))
        {
            connectionString = server.ConnectionString;
            server.IsPrivate.ShouldBeTrue();
            builder.Configuration.GetConnectionString("mainstay").ShouldBe(connectionString);
            await using var source = NpgsqlDataSource.Create(connectionString);
            (await source.ScalarAsync<string>("select current_database()::text")).ShouldBe("corner_shop");
        }

        await using var gone = NpgsqlDataSource.Create(connectionString);
        await Should.ThrowAsync<NpgsqlException>(() => gone.ScalarAsync<int>("select 1"));
    }

    [Fact]
    public async Task A_connection_string_is_used_and_nothing_is_started()
    {
        using var folder = new TemporaryFolder();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["Mainstay:DataFolder"] = folder.In(".mainstay");
        builder.Configuration["ConnectionStrings:mainstay"] = await postgres.CreateDatabaseAsync();

        await using var server = await PrivatePostgres.StartAsync(builder, TestContext.Current.CancellationToken);

        server.IsPrivate.ShouldBeFalse();
        server.ConnectionString.ShouldBe(builder.Configuration.GetConnectionString("mainstay"));
        Directory.Exists(folder.In(".mainstay")).ShouldBeFalse();
    }
}
