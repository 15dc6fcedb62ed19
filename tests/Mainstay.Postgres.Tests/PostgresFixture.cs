using System.Globalization;
using System.Security.Cryptography;
using Mainstay.Internal;
using Mainstay.Tests;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

[assembly: AssemblyFixture(typeof(PostgresFixture))]

namespace Mainstay.Tests;

/// <summary>
/// One PostgreSQL for the whole test run; take it as a constructor parameter. Each test class makes its own database in it.
/// The environment variable MAINSTAY_TEST_POSTGRES names a major version, for example 15 or 18; without it, the first one found is used.
/// </summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    private readonly TemporaryFolder folder = new();
    private EmbeddedServer? server;

    /// <summary>The major version the environment asks for.</summary>
    internal static int? Major => int.TryParse(Environment.GetEnvironmentVariable("MAINSTAY_TEST_POSTGRES"), CultureInfo.InvariantCulture, out var major) ? major : null;

    internal EmbeddedServer Server => server ?? throw new InvalidOperationException("The fixture has not been started.");

    public string Version => Server.Version;

    public async ValueTask InitializeAsync()
    {
        var options = new EmbeddedServerOptions { Name = "tests", DataFolder = folder.In(".mainstay"), Major = Major, MaxConnections = 300, StopTimeout = TimeSpan.FromSeconds(5) };
        server = await EmbeddedServer.StartAsync(options, NullLogger.Instance, TimeProvider.System, CancellationToken.None);
    }

    /// <summary>A fresh, empty database that the application's role owns. Returns its connection string.</summary>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"test_{RandomNumberGenerator.GetHexString(12, lowercase: true)}";
        await using var connection = new NpgsqlConnection(Server.AdministratorConnectionString);
        await connection.OpenAsync();
        // file_copy needs a checkpoint, wal_log does not.
        await using var command = new NpgsqlCommand($"create database {name} owner mainstay strategy wal_log", connection);
        await command.ExecuteNonQueryAsync();
        return new NpgsqlConnectionStringBuilder(Server.ConnectionString) { Database = name, MaxPoolSize = 20 }.ConnectionString;
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        if (server is not null) await server.DisposeAsync();
        folder.Dispose();
    }
}
