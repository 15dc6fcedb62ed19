using System.Collections.Concurrent;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>What the nodes of one test share.</summary>
internal sealed class TestRun(TestServer server, TestOptions options) : IAsyncDisposable
{
    /// <summary>As what the transactions of the test itself stand in the audit trail.</summary>
    public const string Operation = "test";

    private string? _connectionString;

    /// <summary>Where the application has tables, be they of resources or made by itself.</summary>
    private string[] _schemas = [];

    public TestServer Server => server;

    public TestOptions Options => options;

    public TestClock Clock { get; } = new();

    public TestUsers Users { get; } = new();

    public TestLog Log { get; } = new();

    /// <summary>For the sockets and the files of the nodes.</summary>
    public DirectoryInfo Folder { get; } = Directory.CreateTempSubdirectory("mst-");

    /// <summary>Those whom the backend calls.</summary>
    public Fakes Fakes { get; } = new();

    /// <summary>What the test wants to end, and where.</summary>
    public ConcurrentBag<Crash> Crashes { get; } = [];

    /// <summary>Empty before the first node has asked for it.</summary>
    public string DatabaseName { get; private set; } = "";

    /// <summary>The test's own connections, which no death of a node cuts. They know the types of the application, which the first one has to ask for.</summary>
    public NpgsqlDataSource Source { get; private set; } = null!;

    /// <summary>Those of the kit itself.</summary>
    public NpgsqlDataSource Own { get; private set; } = null!;

    /// <summary>The database of the test, made for the first node that asks. Nodes start one after the other.</summary>
    public async Task<string> FindDatabaseAsync(BackendModel model)
    {
        if (_connectionString is not null)
            return _connectionString;
        (DatabaseName, _connectionString) = await server.CreateDatabaseAsync(model);
        var connectionString = new NpgsqlConnectionStringBuilder(_connectionString) { ApplicationName = "test", MaxPoolSize = 8 }.ConnectionString;
        Source = NpgsqlDataSource.Create(connectionString);
        Own = new NpgsqlDataSourceBuilder(connectionString).ConfigureTypeLoading(types => types.EnableTypeLoading(false)).Build();
        Clock.Source = Own;
        _schemas = [.. Ddl.SchemasOf(model.Tables.Models), TableModel.DefaultSchema];
        return _connectionString;
    }

    /// <summary>The names of the tables whose rows are the application's, quoted.</summary>
    public async Task<List<string>> TablesAsync()
    {
        await using var command = Own.CreateCommand(ResetSql.Tables);
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = _schemas });
        await using var reader = await command.ExecuteReaderAsync();
        List<string> tables = [];
        while (await reader.ReadAsync())
            tables.Add(reader.GetString(0));
        return tables;
    }

    public async ValueTask DisposeAsync()
    {
        if (DatabaseName.Length > 0)
        {
            await Source.DisposeAsync();
            await Own.DisposeAsync();
            await server.DropDatabaseAsync(DatabaseName);
        }
        Folder.Delete(recursive: true);
    }
}
