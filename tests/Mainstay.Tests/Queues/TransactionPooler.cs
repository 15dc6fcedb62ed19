using System.Diagnostics;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>A PgBouncer in transaction mode before the server of the tests: every transaction may get another connection, and nothing of a session survives.</summary>
internal sealed class TransactionPooler : IAsyncDisposable
{
    /// <summary>How many connections to the server all clients share.</summary>
    public const int ServerConnectionsMost = 4;

    private const int Port = 6432;

    private readonly TemporaryFolder _folder;
    private readonly Process _process;

    private TransactionPooler(TemporaryFolder folder, Process process) => (_folder, _process) = (folder, process);

    /// <summary>Null where it is not installed. Where everything must be tested, that is a failure.</summary>
    public static string? Find()
    {
        var found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Select(folder => Path.Combine(folder, "pgbouncer")).FirstOrDefault(File.Exists);
        if (found is null && Environment.GetEnvironmentVariable("CI") is { Length: > 0 } and not "false")
            Assert.Fail("PgBouncer is not installed, and under CI this is tested. Run: apt-get install pgbouncer");
        return found;
    }

    /// <param name="program">What <see cref="Find"/> found.</param>
    /// <param name="server">The connection string of a database, without the pooler.</param>
    public static async Task<TransactionPooler> StartAsync(string program, string server)
    {
        var behind = new NpgsqlConnectionStringBuilder(server);
        var account = await ServerAccount.ChooseAsync(null, TestContext.Current.CancellationToken);
        var folder = new TemporaryFolder();
        var config = folder.In("pgbouncer.ini");
        await File.WriteAllTextAsync(config, $"""
            [databases]
            * = host={behind.Host} port={behind.Port} user={behind.Username} password={behind.Password} connect_query='set search_path to public'
            [pgbouncer]
            listen_addr =
            listen_port = {Port}
            unix_socket_dir = {folder.Path}
            auth_type = any
            pool_mode = transaction
            default_pool_size = {ServerConnectionsMost}
            max_client_conn = 500
            ignore_startup_parameters = extra_float_digits,search_path
            """);
        foreach (var path in new[] { config, folder.Path })
            account.Own(path);
        var start = account.Prepare(program, ["-q", config]);
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        var process = Process.Start(start)!;
        var pooler = new TransactionPooler(folder, process);
        var said = process.StandardError.ReadToEndAsync();
        try
        {
            await Waiting.UntilAsync(() => process.HasExited
                ? throw new InvalidOperationException($"PgBouncer ended with exit code {process.ExitCode}.")
                : Task.FromResult(File.Exists(folder.In($".s.PGSQL.{Port}"))));
        }
        catch
        {
            await pooler.DisposeAsync();
            TestContext.Current.SendDiagnosticMessage(await said);
            throw;
        }
        return pooler;
    }

    /// <summary>The same database through the pooler. Statements are not prepared: before version 1.21, PgBouncer does not know on which connection they are.</summary>
    public string Before(string server)
    {
        var behind = new NpgsqlConnectionStringBuilder(server);
        return new NpgsqlConnectionStringBuilder
        {
            Host = _folder.Path,
            Port = Port,
            Username = behind.Username,
            Database = behind.Database,
            SslMode = SslMode.Disable,
            MaxPoolSize = 20,
            MaxAutoPrepare = 0,
            NoResetOnClose = true,
        }.ConnectionString;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
        _folder.Dispose();
    }
}
