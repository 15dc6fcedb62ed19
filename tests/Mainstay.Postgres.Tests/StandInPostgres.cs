using Mainstay.Tests;
using Npgsql;

[assembly: AssemblyFixture(typeof(StandInPostgres))]

namespace Mainstay.Tests;

/// <summary>A database per class on the server that MAINSTAY_TEST_CONNECTION names. Stands in until the run starts its own server.</summary>
public sealed class StandInPostgres
{
    public async Task<string> CreateDatabaseAsync()
    {
        var server = Environment.GetEnvironmentVariable("MAINSTAY_TEST_CONNECTION");
        Assert.SkipWhen(server is null, "MAINSTAY_TEST_CONNECTION names no server.");

        var name = $"test_{Guid.CreateVersion7():n}";
        await using var connection = new NpgsqlConnection(server);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand($"create database {name}", connection);
        await command.ExecuteNonQueryAsync();
        return new NpgsqlConnectionStringBuilder(server) { Database = name }.ConnectionString;
    }
}
