using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// The PostgreSQL of all tests of this user on this machine. Processes share it, and the last one to end stops it; what it keeps between runs are templates:
/// <code>
///   template_20260131_5f…   what a backend declares, applied once; the name is its hash
///       └─ copied ─▶ test_4711_a3…   the database of one test class; 4711 is the process, whose leftovers others remove
/// </code>
/// </summary>
internal sealed class TestServer
{
    /// <summary>Where the server keeps its data. Default: a folder among the temporary ones.</summary>
    private const string FolderSetting = "MAINSTAY_TESTING_FOLDER";

    private const string OwnSql = "TestDatabase.sql";

    private static readonly Lock gate = new();

    /// <summary>One for the process, as the process is one for the server.</summary>
    private static Task<TestServer>? shared;

    private readonly ConcurrentDictionary<string, Lazy<Task>> _templates = new();
    private readonly ConcurrentDictionary<string, Task<string>> _spares = new();
    private readonly EmbeddedServer _server;
    private readonly NpgsqlDataSource _administrator;

    private TestServer(EmbeddedServer server)
    {
        _server = server;
        _administrator = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(server.AdministratorConnectionString) { MaxPoolSize = 4, ApplicationName = "mainstay-testing" }.ConnectionString);
    }

    /// <summary>The folder that holds the server's socket.</summary>
    public string SocketFolder => new NpgsqlConnectionStringBuilder(_server.ConnectionString).Host!;

    /// <exception cref="ConfigurationException">MST11xx: there is no PostgreSQL, or it cannot be started.</exception>
    public static Task<TestServer> ShareAsync()
    {
        lock (gate)
            return shared ??= StartAsync();
    }

    /// <summary>A new database with the tables of the model.</summary>
    /// <returns>Its name and its connection string.</returns>
    public async Task<(string Name, string ConnectionString)> CreateDatabaseAsync(BackendModel model)
    {
        var template = await TemplateAsync(model);
        var name = await (_spares.TryRemove(template, out var spare) ? spare : CopyAsync(template));
        // The next test of the kind finds its database made. Of several that ask at once, one has the spare and the others make their own.
        _ = _spares.GetOrAdd(template, CopyAsync);
        return (name, ConnectionString(name));
    }

    /// <summary>Ends whoever is still connected.</summary>
    public Task DropDatabaseAsync(string name) => ExecuteAsync($"drop database if exists {name} with (force)");

    /// <summary>Does something in a database as the superuser.</summary>
    public async Task ExecuteInAsync(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_server.AdministratorConnectionString) { Database = database, Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await ExecuteAsync(connection, sql);
    }

    /// <summary>Ends all connections of a name to a database.</summary>
    /// <returns>How many there were.</returns>
    public async Task<long> CutAsync(string database, string applicationName)
    {
        await using var command = _administrator.CreateCommand("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1 and application_name = $2");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = database });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = applicationName });
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static async Task<TestServer> StartAsync()
    {
        var folder = Environment.GetEnvironmentVariable(FolderSetting) is { Length: > 0 } named ? Path.GetFullPath(named) : Path.Combine(Path.GetTempPath(), $"mainstay-testing-{Environment.UserName}");
        Directory.CreateDirectory(folder);
        // PostgreSQL runs as another account when the tests run as root.
        if (Environment.IsPrivilegedProcess)
            File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        var embedded = await EmbeddedServer.StartAsync(new EmbeddedServerOptions { Name = "testing", DataFolder = folder, MaxConnections = 300, StopTimeout = TimeSpan.FromSeconds(5) }, NullLogger.Instance, TimeProvider.System, CancellationToken.None);
        // Not awaited by anybody, because the process has no other moment after its last test.
        var server = new TestServer(embedded);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => server.EndAsync().GetAwaiter().GetResult();
        await server.PrepareAsync();
        return server;
    }

    private async Task EndAsync()
    {
        try
        {
            foreach (var spare in _spares.Values)
                await DropDatabaseAsync(await spare);
        }
        catch (NpgsqlException)
        {
            // The next process removes what is left of this one.
        }
        await _administrator.DisposeAsync();
        await _server.DisposeAsync();
    }

    /// <summary>By files: the pages of a template are on the disk, so there is nothing to be gained by writing all of them to the log.</summary>
    private async Task<string> CopyAsync(string template)
    {
        var name = $"test_{Environment.ProcessId}_{RandomNumberGenerator.GetHexString(10, lowercase: true)}";
        await ExecuteAsync($"create database {name} template {template} owner mainstay strategy file_copy");
        return name;
    }

    private async Task PrepareAsync()
    {
        // No test outlives the machine, so none needs to wait for its disk.
        await ExecuteAsync("alter system set synchronous_commit = off");
        await ExecuteAsync("select pg_reload_conf()");
        foreach (var name in await DatabasesAsync(@"test\_%"))
            if (!int.TryParse(name.Split('_')[1], CultureInfo.InvariantCulture, out var process) || !Lives(process))
                await DropDatabaseAsync(name);
    }

    private Task<string> TemplateAsync(BackendModel model)
    {
        // The day is part of it so that those which nobody needs any more are known by it.
        var day = TimeProvider.System.GetUtcNow().ToString("yyyyMMdd", CultureInfo.InvariantCulture);
        var content = string.Join('\n', [.. SchemaStart.Script(model.Tables.Models), Own()]);
        var name = $"template_{day}_{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content)))[..16]}";
        return MadeAsync(name, _templates.GetOrAdd(name, _ => new Lazy<Task>(() => MakeTemplateAsync(name, day, model))));
    }

    private async Task<string> MadeAsync(string name, Lazy<Task> making)
    {
        try
        {
            await making.Value;
            return name;
        }
        catch
        {
            _templates.TryRemove(KeyValuePair.Create(name, making));     // the next one tries again
            throw;
        }
    }

    /// <summary>Under a lock of the server, so that one process makes it and the others find it.</summary>
    private async Task MakeTemplateAsync(string name, string day, BackendModel model)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_server.AdministratorConnectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await ExecuteAsync(connection, "select pg_advisory_lock(hashtextextended('mainstay testing templates', 0))");
        var known = await DatabasesAsync(@"template\_%");
        if (known.Contains(name))
            return;
        var draft = $"draft_{name["template_".Length..]}";
        await ExecuteAsync(connection, $"drop database if exists {draft} with (force)");
        await ExecuteAsync(connection, $"create database {draft} owner mainstay strategy wal_log");
        await FillTemplateAsync(ConnectionString(draft), model);
        await ExecuteAsync(connection, $"alter database {draft} rename to {name}");
        foreach (var old in known.Where(old => string.CompareOrdinal(old.Split('_')[1], day) < 0))
            await ExecuteAsync(connection, $"drop database if exists {old} with (force)");
    }

    /// <summary>What the first start of a backend does to its database.</summary>
    private static async Task FillTemplateAsync(string connectionString, BackendModel model)
    {
        await using var database = new Database(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString, "mainstay-testing", TimeProvider.System);
        await SchemaStart.RunAsync(database.Source, model.Tables.Models, SchemaMode.Apply, NullLogger.Instance, CancellationToken.None);
        await new SharedKeys(database, TimeProvider.System).RenewAsync(CancellationToken.None);
        await using var command = database.Source.CreateCommand(Own());
        await command.ExecuteNonQueryAsync();
    }

    private static string Own()
    {
        using var reader = new StreamReader(typeof(TestServer).Assembly.GetManifestResourceStream(typeof(TestServer).Assembly.GetManifestResourceNames().Single(name => name.EndsWith(OwnSql, StringComparison.Ordinal)))!);
        return reader.ReadToEnd();
    }

    private string ConnectionString(string database) => new NpgsqlConnectionStringBuilder(_server.ConnectionString) { Database = database }.ConnectionString;

    private async Task<List<string>> DatabasesAsync(string pattern)
    {
        await using var command = _administrator.CreateCommand("select datname::text from pg_database where datname like $1");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = pattern });
        await using var reader = await command.ExecuteReaderAsync();
        List<string> names = [];
        while (await reader.ReadAsync())
            names.Add(reader.GetString(0));
        return names;
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = _administrator.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 120 };
        await command.ExecuteNonQueryAsync();
    }

    private static bool Lives(int process)
    {
        try
        {
            using var found = System.Diagnostics.Process.GetProcessById(process);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
