using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;

namespace Mainstay.Benchmarks;

/// <summary>A private PostgreSQL for one run, in a folder that is removed afterwards. All servers under test use it, so that its state is the same for all.</summary>
internal sealed class BenchmarkDatabase : IAsyncDisposable
{
    private readonly DirectoryInfo _folder;
    private readonly PrivatePostgres _postgres;

    private BenchmarkDatabase(DirectoryInfo folder, PrivatePostgres postgres) => (_folder, _postgres) = (folder, postgres);

    public string ConnectionString => _postgres.ConnectionString;

    /// <summary>For the table, for example <c>PostgreSQL 18.4</c>.</summary>
    public string Version => _postgres.Description.Split(',')[0];

    public static async Task<BenchmarkDatabase> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("mainstay-load-");
        // The account of the private server can only reach its folder if it may pass through this one.
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder.FullName, File.GetUnixFileMode(folder.FullName) | UnixFileMode.OtherExecute | UnixFileMode.GroupExecute);
        var builder = WebApplication.CreateSlimBuilder();
        // The load is for this server, whatever the developer's own application uses.
        builder.Configuration.AddInMemoryCollection([new("ConnectionStrings:mainstay", ""), new("Mainstay:DataFolder", Path.Combine(folder.FullName, ".mainstay"))]);
        return new BenchmarkDatabase(folder, await PrivatePostgres.StartAsync(builder));
    }

    public async ValueTask DisposeAsync()
    {
        await _postgres.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
