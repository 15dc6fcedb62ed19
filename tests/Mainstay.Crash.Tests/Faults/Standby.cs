using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>A second server that follows the first one, from a copy of its files, until it is promoted.</summary>
internal sealed class Standby : IAsyncDisposable
{
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();
    private readonly ServerAccount _account;
    private readonly Binaries _binaries;

    private Standby(ServerAccount account, Binaries binaries) => (_account, _binaries) = (account, binaries);

    private string Root => _folder.In("postgres");

    private string Cluster => Path.Combine(Root, "cluster");

    /// <param name="primary">Whom to follow.</param>
    /// <param name="isSynchronous">Whether a commit over there waits for this one.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    public static async Task<Standby> FollowAsync(FaultServer primary, bool isSynchronous, CancellationToken cancellation)
    {
        var account = await ServerAccount.ChooseAsync(null, cancellation);
        var standby = new Standby(account, await Binaries.FindAsync(primary.Options, null, account, cancellation));
        await File.AppendAllTextAsync(Path.Combine(primary.DataFolder, "postgres", "pg_hba.conf"), "local replication all scram-sha-256\n", cancellation);
        await primary.AdministrateAsync("alter system reset synchronous_standby_names");
        await primary.AdministrateAsync("select pg_reload_conf()");
        await standby.CopyAsync(primary, cancellation);
        await standby.ControlAsync("start", "-l", "../log/server.log");
        if (isSynchronous)
            await primary.AdministrateAsync("alter system set synchronous_standby_names = '*'");
        await primary.AdministrateAsync("select pg_reload_conf()");
        await Wait.UntilAsync("the standby follows", patience, () => primary.AsksAsync($"select exists (select from pg_stat_replication where state = 'streaming' and sync_state = '{(isSynchronous ? "sync" : "async")}')"), cancellation);
        return standby;
    }

    /// <summary>The same connection string, at this server.</summary>
    public string Of(string connectionString) => new NpgsqlConnectionStringBuilder(connectionString) { Host = Path.Combine(Root, "run") }.ConnectionString;

    public Task PromoteAsync() => ControlAsync("promote");

    public async ValueTask DisposeAsync()
    {
        await Command.RunAsync(Control("stop", "-m", "immediate"), patience, CancellationToken.None);
        _folder.Dispose();
    }

    private async Task CopyAsync(FaultServer primary, CancellationToken cancellation)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(primary.Server.AdministratorConnectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(cancellation);
        await ExecuteAsync(connection, "select pg_backup_start('standby', true)", cancellation);
        var source = Path.Combine(primary.DataFolder, "postgres");
        // Files come and go while they are copied; what is missing then is in the log that the standby reads.
        await Command.RunAsync(Command.Of("cp", "-a", source, Root), patience, cancellation);
        await using (var stop = new NpgsqlCommand("select labelfile from pg_backup_stop(false)", connection))
            await WriteAsync(Path.Combine(Cluster, "backup_label"), (string)(await stop.ExecuteScalarAsync(cancellation))!, cancellation);
        File.Delete(Path.Combine(Cluster, "postmaster.pid"));
        await WriteAsync(Path.Combine(Cluster, "standby.signal"), "", cancellation);
        var settings = new NpgsqlConnectionStringBuilder(primary.Server.AdministratorConnectionString);
        var configuration = await File.ReadAllTextAsync(Path.Combine(Root, "mainstay.conf"), cancellation);
        await WriteAsync(Path.Combine(Root, "mainstay.conf"), configuration.Replace(settings.Host!, Path.Combine(Root, "run"), StringComparison.Ordinal)
            + $"hot_standby = on\nprimary_conninfo = 'host={settings.Host} port={settings.Port} user={settings.Username} password={settings.Password} application_name=standby'\n", cancellation);
        foreach (var left in Directory.GetFiles(Path.Combine(Root, "run"), ".s.*").Concat(Directory.GetFiles(Path.Combine(Root, "run"), "s.*")))
            File.Delete(left);
    }

    /// <summary>Writes a file that belongs to the server's account.</summary>
    private async Task WriteAsync(string path, string text, CancellationToken cancellation)
    {
        await File.WriteAllTextAsync(path, text, cancellation);
        if (_account.IsOther)
            (await Command.RunAsync(Command.Of("chown", $"{_account.UserId}:{_account.GroupId}", path), patience, cancellation)).Succeeded.ShouldBeTrue();
    }

    private async Task ControlAsync(string what, params string[] more)
    {
        var result = await Command.RunAsync(Control(what, more), patience, CancellationToken.None);
        if (!result.Succeeded)
            throw new InvalidOperationException($"The standby does not {what}: {result.Reason}\n{Command.Tail(await File.ReadAllTextAsync(Path.Combine(Root, "log", "server.log")), 12)}");
    }

    private System.Diagnostics.ProcessStartInfo Control(string what, params string[] more) => _account.Prepare(_binaries.Program("pg_ctl"), [what, "-s", "-w", "-D", ".", .. more], Cluster);

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
