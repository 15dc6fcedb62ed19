using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>The databases of blocks that are used alone, in an application that is not a <see cref="Backend"/>. Blocks on the same database share its pool.</summary>
internal sealed class BlockDatabases(IServiceProvider services, IConfiguration configuration, TimeProvider clock) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Database> _own = [];
    private Database? _applications;

    /// <param name="connectionString">What the block's options say. Null: the application's own data source, else the connection string <c>mainstay</c>.</param>
    /// <param name="code">The block's code for having no database.</param>
    /// <param name="options">The name of its options.</param>
    /// <exception cref="ConfigurationException">There is none, or MST1130: the connection string is malformed.</exception>
    public Database Get(string? connectionString, string code, string options)
    {
        lock (_lock)
        {
            if (connectionString is null && services.GetService<NpgsqlDataSource>() is { } source)
                return _applications ??= new Database(source, clock);
            connectionString ??= configuration.GetConnectionString(DatabaseStart.ConnectionStringName);
            if (string.IsNullOrWhiteSpace(connectionString))
                throw new ConfigurationException(code,
                    $"There is no database: {options}.ConnectionString is not set, no NpgsqlDataSource is among the services, and there is no connection string 'mainstay'. Set one of them, or let 'await using var postgres = await PrivatePostgres.StartAsync(builder)' run a private server.");
            if (_own.TryGetValue(connectionString, out var database))
                return database;
            ServerConnection.Parse(connectionString);
            return _own[connectionString] = new Database(connectionString, AppDomain.CurrentDomain.FriendlyName, clock);
        }
    }

    /// <summary>Creates or checks the schema <c>mainstay</c> in every database that has been asked for.</summary>
    public async Task PrepareAsync(SchemaMode mode, ILogger log, CancellationToken cancellation)
    {
        foreach (var connectionString in _own.Keys)
            await ServerConnection.VerifyAsync(connectionString, cancellation);
        foreach (var database in _applications is null ? [.. _own.Values] : _own.Values.Append(_applications))
            await DatabaseStart.PatientlyAsync(() => SchemaStart.RunAsync(database.Source, [], mode, log, cancellation));
    }

    /// <summary>Closes the pools that were made here; the application's own is its own.</summary>
    public void Dispose()
    {
        foreach (var database in _own.Values)
            database.Dispose();
    }
}
