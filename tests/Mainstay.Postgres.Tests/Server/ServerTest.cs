using System.Diagnostics;
using Mainstay.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>What the tests of the private server share: a folder, a start, questions, and waiting without sleeping.</summary>
public abstract class ServerTest : IDisposable
{
    private protected TemporaryFolder Folder { get; } = new();

    private protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private protected string DataFolder => Folder.In(".mainstay");

    private protected string Postgres => Folder.In(".mainstay", "postgres");

    private protected EmbeddedServerOptions Options => new()
    {
        // A supervisor that stays out of the way unless a test wants it.
        Name = "tests", DataFolder = DataFolder, Major = PostgresFixture.Major, CheckInterval = TimeSpan.FromHours(1),
    };

    private protected Task<EmbeddedServer> StartAsync(Func<EmbeddedServerOptions, EmbeddedServerOptions>? change = null) =>
        EmbeddedServer.StartAsync((change ?? (options => options))(Options), NullLogger.Instance, TimeProvider.System, Cancellation);

    private protected async Task<string> FailAsync(Func<EmbeddedServerOptions, EmbeddedServerOptions>? change = null) =>
        (await Should.ThrowAsync<ConfigurationException>(async () => await (await StartAsync(change)).DisposeAsync())).Message;

    /// <summary>Runs statements without a pool and gives the last scalar as text.</summary>
    private protected static async Task<string> AskAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        return (await command.ExecuteScalarAsync(Cancellation))?.ToString() ?? "";
    }

    private protected static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        deadline.CancelAfter(TimeSpan.FromSeconds(30));
        while (!await condition()) await Task.Delay(5, deadline.Token);
    }

    private protected static bool IsAlive(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return !process.HasExited && !(File.Exists($"/proc/{processId}/stat") && File.ReadAllText($"/proc/{processId}/stat").Contains(") Z", StringComparison.Ordinal));
        }
        catch (Exception e) when (e is ArgumentException or IOException)
        {
            return false;
        }
    }

    private protected static async Task KillAsync(int processId)
    {
        using (var process = Process.GetProcessById(processId)) process.Kill();
        await UntilAsync(() => Task.FromResult(!IsAlive(processId)));
    }

    /// <summary>A cluster that has all marks of one, made by the given major version.</summary>
    private protected async Task<string> PretendClusterAsync(int major)
    {
        var account = await ServerAccount.ChooseAsync(null, Cancellation);
        var cluster = Path.Combine(Postgres, "cluster");
        Directory.CreateDirectory(Path.Combine(cluster, "global"));
        await File.WriteAllTextAsync(Path.Combine(cluster, "PG_VERSION"), $"{major}\n", Cancellation);
        await File.WriteAllTextAsync(Path.Combine(cluster, "global", "pg_control"), "", Cancellation);
        account.Own(cluster);
        return cluster;
    }

    public void Dispose()
    {
        Folder.Dispose();
        GC.SuppressFinalize(this);
    }
}
