using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>A private PostgreSQL for one run, in a folder that is removed afterwards. All servers under test use it, so that its state is the same for all.</summary>
internal sealed class BenchmarkDatabase : IAsyncDisposable
{
    private readonly DirectoryInfo _folder;
    private readonly PrivatePostgres _postgres;

    private readonly Lazy<int> _postmaster;

    private BenchmarkDatabase(DirectoryInfo folder, PrivatePostgres postgres)
    {
        (_folder, _postgres) = (folder, postgres);
        _postmaster = new(() => int.Parse(File.ReadLines(_folder.EnumerateFiles("postmaster.pid", SearchOption.AllDirectories).Single().FullName).First(), CultureInfo.InvariantCulture));
    }

    public string ConnectionString => _postgres.ConnectionString;

    /// <summary>For the table, for example <c>PostgreSQL 18.4</c>.</summary>
    public string Version => _postgres.Description.Split(',')[0];

    /// <summary>What PostgreSQL has cost the processors so far. Zero where the operating system does not tell: elsewhere than on Linux.</summary>
    public TimeSpan ProcessorTime => OperatingSystem.IsLinux() ? ProcessTimes.OfFamily(_postmaster.Value) : TimeSpan.Zero;

    /// <param name="settings">Lines of its configuration, beside its usual ones.</param>
    public static async Task<BenchmarkDatabase> StartAsync(params string[] settings)
    {
        var folder = TemporaryFolder.Create();
        var builder = WebApplication.CreateSlimBuilder();
        // The load is for this server, whatever the developer's own application uses.
        builder.Configuration.AddInMemoryCollection([new("Logging:LogLevel:Default", "Warning"), new("ConnectionStrings:mainstay", ""), new("Mainstay:DataFolder", Path.Combine(folder.FullName, ".mainstay"))]);
        await (await PrivatePostgres.StartAsync(builder)).DisposeAsync();
        // Room for the pools of several peers at once, which are larger by default than one application needs.
        await File.AppendAllLinesAsync(folder.EnumerateFiles("postgresql.auto.conf", SearchOption.AllDirectories).Single().FullName, ["max_connections = 400", .. settings]);
        builder.Configuration["ConnectionStrings:mainstay"] = "";
        return new BenchmarkDatabase(folder, await PrivatePostgres.StartAsync(builder));
    }

    /// <summary>Logs in as the superuser, to the same database.</summary>
    public string AdministratorConnectionString => new NpgsqlConnectionStringBuilder(ConnectionString)
    {
        Username = "postgres", Password = File.ReadLines(_folder.EnumerateFiles("passwords", SearchOption.AllDirectories).Single().FullName).First(),
    }.ConnectionString;

    /// <summary>Runs one statement beside the servers.</summary>
    public async Task ExecuteAsync(string sql, string? connectionString = null)
    {
        await using var source = NpgsqlDataSource.Create(connectionString ?? ConnectionString);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>The one value that a statement gives.</summary>
    public async Task<T> ValueAsync<T>(string sql)
    {
        await using var source = NpgsqlDataSource.Create(ConnectionString);
        await using var command = source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Files that the server writes, if its settings say so.</summary>
    public IEnumerable<FileInfo> Files(string pattern) => _folder.EnumerateFiles(pattern, SearchOption.AllDirectories);

    public async ValueTask DisposeAsync()
    {
        await _postgres.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
