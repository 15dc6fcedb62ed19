using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>The database cluster in a data folder: made, started, stopped. All of it is called under the gate.</summary>
internal sealed class Cluster(DataFolder folder, ServerAccount account, EmbeddedServerOptions options, ILogger log)
{
    public const string Administrator = "postgres";
    public const string Application = "mainstay";

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    /// <summary>How long the shared memory of a killed server may take to go away.</summary>
    private static readonly TimeSpan OrphansTimeout = TimeSpan.FromSeconds(15);

    /// <summary>The living server of this cluster, or null. A dead one's file is put aside when PostgreSQL itself would not dare to.</summary>
    public Postmaster? Find()
    {
        if (Postmaster.Read(folder.Cluster) is not { } postmaster) return null;
        switch (postmaster.Identify())
        {
            case ProcessIdentity.Ours:
                return postmaster;
            case ProcessIdentity.Foreign when Postmaster.Read(folder.Cluster)?.Text != postmaster.Text:
                return Find();       // it wrote or removed its file between our two looks
            case ProcessIdentity.Foreign:
                throw new ConfigurationException("MST1114",
                    $"'{folder.Cluster}/postmaster.pid' names process {postmaster.ProcessId}, which runs ('{postmaster.ProcessName()}') but is not known to be the server of this data. " +
                    "Nothing was changed. If no other server uses the folder, remove that file and start again.");
            default:
                return null;
        }
    }

    /// <summary>
    /// Makes the cluster: 1. initdb into a draft   2. roles and database, in single-user mode   3. rename.
    /// A process killed before step 3 leaves a draft, which the next start removes.
    /// </summary>
    public async Task CreateAsync(Binaries binaries, CancellationToken cancellation)
    {
        options.Progress?.Invoke("Creating the database cluster …");
        var passwords = await folder.ReadPasswordsAsync(cancellation);
        var draft = folder.DraftCluster_NeedsLock();
        await InitializeAsync(binaries, draft, cancellation);

        // As the account, because the server owns the folder and we may be root: root follows no paths that others can change.
        var include = await Command.RunAsync(
            account.Prepare("sh", ["-c", "printf '\\n%s\\n' \"$0\" >> postgresql.conf", "include '../mainstay.conf'"], draft), options.StartTimeout, cancellation);
        if (!include.Succeeded) throw Failed("MST1115", "The new cluster could not be configured", include.Reason);

        await WriteConfigurationAsync(binaries, cancellation);
        // Passwords are hexadecimal and the database name is checked, so nothing here needs quoting.
        string[] statements =
        [
            $"alter role {Administrator} password '{passwords.Administrator}'",
            $"create role {Application} login password '{passwords.Application}'",
            $"create database {options.DatabaseName} owner {Application}",
        ];
        var single = await Command.RunAsync(
            account.Prepare(binaries.Program("postgres"), ["--single", "-D", ".", "-c", "exit_on_error=on", "-c", "shared_buffers=16MB", "postgres"], draft), options.StartTimeout, cancellation,
            string.Join('\n', statements) + "\n");
        if (!single.Succeeded || single.Errors.Contains("ERROR:", StringComparison.Ordinal)) throw Failed("MST1115", "The new cluster could not be prepared", single.Reason);

        Directory.Move(draft, folder.Cluster);
    }

    /// <summary>Starts the server, or waits for one that is starting, and returns when it accepts connections.</summary>
    public async Task<Postmaster> StartAsync(Binaries binaries, CancellationToken cancellation)
    {
        var began = TimeProvider.System.GetTimestamp();
        if (Postmaster.Read(folder.Cluster) is { } left && left.Identify() is ProcessIdentity.Reused or ProcessIdentity.Defunct or ProcessIdentity.Ending) await PutAsideAsync(left, cancellation);
        await RemoveSocketLockAsync(cancellation);
        await BoundLogAsync(cancellation);
        while (true)
        {
            await WriteConfigurationAsync(binaries, cancellation);
            var logLength = LogLength();
            var seconds = ((int)Math.Ceiling(options.StartTimeout.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            // Relative paths: pg_ctl puts them into a shell command, and a folder may be called anything. pg_ctl also gives the server its own
            // session, so that Ctrl-C reaches the application alone.
            var control = Command.RunAsync(
                account.Prepare(binaries.Program("pg_ctl"), ["start", "-s", "-w", "-t", seconds, "-D", ".", "-l", "../log/server.log"], folder.Cluster),
                options.StartTimeout + TimeSpan.FromSeconds(10), cancellation);
            // pg_ctl itself looks ten times a second; we would rather not wait for its next look.
            while (!control.IsCompleted)
            {
                if (Postmaster.Read(folder.Cluster) is { IsReady: true } ready && ready.Identify() == ProcessIdentity.Ours) return ready;
                await Task.Delay(Poll, cancellation);
            }
            var result = await control;
            if (Postmaster.Read(folder.Cluster) is { IsReady: true } started && started.Identify() == ProcessIdentity.Ours) return started;

            var said = LogSince(logLength);
            var elapsed = TimeProvider.System.GetElapsedTime(began);
            if (said.Contains("pre-existing shared memory block", StringComparison.Ordinal) && elapsed < OrphansTimeout)
            {
                if (elapsed > TimeSpan.FromSeconds(2)) await EndOrphansAsync(cancellation);
                await Task.Delay(TimeSpan.FromMilliseconds(100), cancellation);
                continue;
            }
            throw Failed("MST1116", Find() is { } slow
                ? $"PostgreSQL has not become ready within {options.StartTimeout.TotalSeconds:0} s (process {slow.ProcessId} is still working, perhaps recovering; the next start will find it)"
                : "PostgreSQL did not start", said.Length > 0 ? Command.Tail(said, 12) : result.Reason);
        }
    }

    /// <summary>Waits until a server that another process started, or died while starting, accepts connections. Null when it ended instead.</summary>
    public async Task<Postmaster?> WaitAsync(CancellationToken cancellation)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (Find() is { } postmaster)
        {
            if (postmaster.IsReady) return postmaster;
            if (TimeProvider.System.GetElapsedTime(began) > options.StartTimeout)
                throw Failed("MST1116", $"PostgreSQL (process {postmaster.ProcessId}) is '{postmaster.Status}' for {options.StartTimeout.TotalSeconds:0} s, expected 'ready'", LogTail());
            await Task.Delay(Poll, cancellation);
        }
        return null;
    }

    /// <summary>
    /// Stops the server: fast, and if that takes too long, immediately, which costs nothing but a recovery at the next start. One that is recovering is
    /// stopped immediately: a fast stop then waits for a checkpointer that nobody has told to end (PostgreSQL 15), and the recovery begins anew anyway.
    /// </summary>
    public async Task StopAsync(Binaries binaries)
    {
        // An immediate stop kills what does not listen after 5 s.
        foreach (var (mode, timeout) in new[] { ("fast", options.StopTimeout), ("immediate", options.StopTimeout + TimeSpan.FromSeconds(10)) }.Skip(IsRecovering() ? 1 : 0))
        {
            if (Postmaster.Read(folder.Cluster) is not { } postmaster || postmaster.Identify() != ProcessIdentity.Ours) return;
            var seconds = ((int)Math.Ceiling(timeout.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            var control = Command.RunAsync(
                account.Prepare(binaries.Program("pg_ctl"), ["stop", "-s", "-w", "-t", seconds, "-m", mode, "-D", "."], folder.Cluster),
                timeout + TimeSpan.FromSeconds(10), CancellationToken.None);
            // pg_ctl is content when the file is gone, which is a moment before the process is.
            while (postmaster.Identify() is ProcessIdentity.Ours or ProcessIdentity.Foreign or ProcessIdentity.Ending)
            {
                if (control.IsCompleted && !(await control).Succeeded) break;
                await Task.Delay(Poll);
            }
            if (postmaster.Identify() is not (ProcessIdentity.Ours or ProcessIdentity.Foreign)) return;
            ServerLog.StopFailed(log, mode, (await control).Reason);
        }
    }

    /// <summary>Keeps the server's log small: beyond 16 MB the last part goes to server.log.1 and the file starts again.</summary>
    public async Task BoundLogAsync(CancellationToken cancellation)
    {
        const long max = 16 * 1024 * 1024;
        if (LogLength() <= max) return;
        var script = "tail -c 4194304 server.log > server.log.1; : > server.log";        // the server appends, so it goes on at the new beginning
        await Command.RunAsync(account.Prepare("sh", ["-c", script], Path.GetDirectoryName(folder.Log)), TimeSpan.FromSeconds(30), cancellation);
    }

    /// <summary>Whether one of the server's processes died and the others are being replaced. Its own words are the only sign: its file says "ready" throughout.</summary>
    private bool IsRecovering()
    {
        var said = LogSince(0);
        return said.LastIndexOf("terminating any other active server processes", StringComparison.Ordinal) > said.LastIndexOf("ready to accept connections", StringComparison.Ordinal);
    }

    public string LogTail() => Command.Tail(LogSince(0), 12);

    private async Task InitializeAsync(Binaries binaries, string draft, CancellationToken cancellation)
    {
        // Text sorts by its bytes: the same on every machine, and no operating system upgrade can break an index. Upper and lower case know Unicode.
        // The built-in provider has that on its own since 17; before, the operating system must have C.UTF-8, and an old macOS has not.
        string[][] locales = binaries.Major >= 17
            ? [["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
            : [["--locale=C", "--lc-ctype=C.UTF-8"], ["--locale=C"]];
        CommandResult result = null!;
        foreach (var locale in locales)
        {
            // "reject" until mainstay.conf brings the rules; the passwords come in single-user mode, so that no file or command line shows them.
            string[] arguments = ["-D", ".", "--username", Administrator, "--encoding=UTF8", "--auth=reject", "--data-checksums", "--no-instructions", .. locale];
            result = await Command.RunAsync(account.Prepare(binaries.Program("initdb"), arguments, draft), options.StartTimeout, cancellation);
            if (result.Succeeded) return;
            if (!result.Errors.Contains("locale", StringComparison.Ordinal)) break;
        }
        throw Failed("MST1115", "The database cluster could not be created", result.Reason);
    }

    private async Task WriteConfigurationAsync(Binaries binaries, CancellationToken cancellation)
    {
        var socketFolder = await folder.PrepareSocketFolderAsync(cancellation);
        var configuration = (ServerTuning.ForThisMachine() with { MaxConnections = options.MaxConnections }).Configuration($"mainstay-{options.Name}", socketFolder, binaries.Major, DataFolder.FreeBytes(folder.Root), DataFolder.FreeBytes("/dev/shm"));
        await ReplaceAsync(folder.AccessRules, "# Written by Mainstay at each start. The network has no rule, so it has no access.\nlocal all all scram-sha-256\n", cancellation);
        await ReplaceAsync(folder.Configuration, configuration + $"hba_file = {ServerTuning.Quote(folder.AccessRules)}\n", cancellation);
    }

    /// <summary>Replaces a file at once, readable for the account: a server that is starting reads the old one or the new one.</summary>
    private static async Task ReplaceAsync(string path, string text, CancellationToken cancellation)
    {
        var draft = path + ".draft";
        try
        {
            await File.WriteAllTextAsync(draft, text, cancellation);
            File.SetUnixFileMode(draft, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            File.Move(draft, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DataFolder.CannotWrite(Path.GetDirectoryName(path)!, e);
        }
    }

    private async Task PutAsideAsync(Postmaster left, CancellationToken cancellation)
    {
        ServerLog.ProcessIdReused(log, left.ProcessId, left.ProcessName());
        await Command.RunAsync(account.Prepare("mv", ["-f", "postmaster.pid", "postmaster.pid.stale"], folder.Cluster), TimeSpan.FromSeconds(10), cancellation);
    }

    /// <summary>The socket's lock file names a process, too. The folder is ours alone and our server is dead, so whoever has that number now is not meant.</summary>
    private async Task RemoveSocketLockAsync(CancellationToken cancellation)
    {
        var socketLock = Path.Combine(await folder.PrepareSocketFolderAsync(cancellation), $".s.PGSQL.{DataFolder.Port}.lock");
        if (File.Exists(socketLock)) await Command.RunAsync(account.Prepare("rm", ["-f", socketLock]), TimeSpan.FromSeconds(10), cancellation);
    }

    private async Task EndOrphansAsync(CancellationToken cancellation)
    {
        var path = await Command.RunAsync(account.Prepare("pwd", ["-P"], folder.Cluster), TimeSpan.FromSeconds(10), cancellation);
        if (path.Succeeded) Postmaster.EndOrphans(path.Output.TrimEnd('\n'));
    }

    private long LogLength() => new FileInfo(folder.Log) is { Exists: true } file ? file.Length : 0;

    private string LogSince(long position)
    {
        const int max = 64 * 1024;
        try
        {
            using var stream = new FileStream(folder.Log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            stream.Position = Math.Max(position, stream.Length - max);
            using var reader = new StreamReader(stream);
            return reader.ReadToEnd();
        }
        catch (IOException)
        {
            return "";
        }
    }

    private ConfigurationException Failed(string code, string what, string reason) =>
        reason.Contains("No space left on device", StringComparison.Ordinal) || reason.Contains("Disk quota exceeded", StringComparison.Ordinal)
            ? DataFolder.DiskFull(folder.Root, null)
            : new(code, $"{what}. It said:\n{reason}\nThe whole log is in '{folder.Log}'.");
}
