using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Mainstay.Internal;

/// <summary>
/// Where everything of one private server lies:
///   .mainstay/.gitignore      keeps the data out of version control
///   .mainstay/postgres/       ours
///     cluster/                the database files, the account's; appears complete or not at all
///     log/server.log          what the server says, the account's
///     run/                    the socket, the account's, mode 0700
///     attached/               one locked file per process that uses the server
///     gate.lock               held while a process starts, attaches or leaves
///     passwords               mode 0600
///     mainstay.conf, pg_hba.conf   written at each start; the server can read but not write them
/// </summary>
internal sealed class DataFolder
{
    public const int Port = 5432;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>macOS allows 103 bytes for the path of a socket, Linux 107.</summary>
    private const int SocketPathBytesMax = 103;

    private readonly ServerAccount account;

    private DataFolder(string root, ServerAccount account)
    {
        Root = root;
        this.account = account;
    }

    public string Root { get; }
    public string Cluster => Path.Combine(Root, "cluster");
    public string Log => Path.Combine(Root, "log", "server.log");
    public string Configuration => Path.Combine(Root, "mainstay.conf");
    public string AccessRules => Path.Combine(Root, "pg_hba.conf");
    public string Attached => Path.Combine(Root, "attached");
    public string Gate => Path.Combine(Root, "gate.lock");
    private string Passwords => Path.Combine(Root, "passwords");
    private string Run => Path.Combine(Root, "run");

    /// <summary>The major version that wrote the cluster. Null when there is none yet.</summary>
    public int? Major
    {
        get
        {
            if (!Directory.Exists(Cluster)) return null;
            var file = Path.Combine(Cluster, "PG_VERSION");
            return File.Exists(file) && int.TryParse(File.ReadAllText(file).Trim(), CultureInfo.InvariantCulture, out var major)
                && File.Exists(Path.Combine(Cluster, "global", "pg_control")) ? major : throw Damaged();
        }
    }

    /// <summary>Creates what is missing and checks what is there.</summary>
    public static async Task<DataFolder> OpenAsync(EmbeddedServerOptions options, ServerAccount account, CancellationToken cancellation)
    {
        var given = Path.GetFullPath(options.DataFolder);
        try
        {
            Directory.CreateDirectory(given);
            var ignore = Path.Combine(given, ".gitignore");
            if (!File.Exists(ignore)) await File.WriteAllTextAsync(ignore, "*\n", cancellation);

            var folder = new DataFolder(await ChooseRootAsync(given, options, account, cancellation), account);
            await folder.RequireOwnersAsync(cancellation);
            folder.CreateFolders();
            return folder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(given, e);
        }
    }

    /// <summary>The administrator's and the application's password, made once.</summary>
    public async Task<(string Administrator, string Application)> ReadPasswordsAsync(CancellationToken cancellation)
    {
        if (!File.Exists(Passwords))
        {
            if (Directory.Exists(Cluster))
                throw new ConfigurationException("MST1119", $"'{Passwords}' is missing, and without it nobody can log in to the data in '{Cluster}'. Restore the file from a backup of the folder.");
            // Renamed into place, so that a process killed here leaves no half of it.
            var draft = Passwords + ".draft";
            File.Delete(draft);
            await using (var stream = new FileStream(draft, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
            {
                await stream.WriteAsync(Encoding.ASCII.GetBytes($"{RandomPassword()}\n{RandomPassword()}\n"), cancellation);
                stream.Flush(flushToDisk: true);
            }
            File.Move(draft, Passwords);
        }
        return await File.ReadAllLinesAsync(Passwords, cancellation) is [{ Length: >= 32 } administrator, { Length: >= 32 } application]
            ? (administrator, application)
            : throw new ConfigurationException("MST1119", $"'{Passwords}' is damaged, expected two lines of at least 32 characters. Restore the file from a backup of the folder.");
    }

    /// <summary>The folder of the socket, inside the data folder where its path is short enough. It depends on nothing but the data folder, so that every process finds the same.</summary>
    public async Task<string> PrepareSocketFolderAsync(CancellationToken cancellation)
    {
        if (SocketPathBytes(Run) <= SocketPathBytesMax) return Run;

        // Not XDG_RUNTIME_DIR: it differs between a login, cron and a service, and it is removed at logout under a server that lives on.
        var parent = account.IsOther && Directory.Exists("/run") ? "/run" : "/tmp";
        var folder = Path.Combine(parent, $"mainstay-{account.UserId}-{Hash(Root)}");
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder, OwnerOnly);
            account.Own(folder);
        }
        if (new DirectoryInfo(folder).LinkTarget is not null
            || await ServerAccount.OwnerOfAsync(folder, cancellation) != account.UserId
            || File.GetUnixFileMode(folder) != OwnerOnly)
            throw new ConfigurationException("MST1118",
                $"The socket folder '{folder}' exists and is not a folder that only '{account.Name}' may enter, so somebody else could listen there. Remove it, or use a data folder with a shorter path.");
        return folder;
    }

    /// <summary>An empty folder for a new cluster.</summary>
    public string DraftCluster_NeedsLock()
    {
        var draft = Path.Combine(Root, $"cluster.draft-{RandomNumberGenerator.GetHexString(8, lowercase: true)}");
        Directory.CreateDirectory(draft, OwnerOnly);
        account.Own(draft);
        return draft;
    }

    /// <summary>Removes what killed processes left half-made.</summary>
    public void DiscardDrafts_NeedsLock()
    {
        foreach (var left in Directory.EnumerateDirectories(Root, "cluster.draft-*"))
            try
            {
                Directory.Delete(left, recursive: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // An initdb that outlived its parent still writes there. It ends soon, and the next start removes the rest.
            }
    }

    public ConfigurationException Damaged() => new("MST1113",
        $"'{Cluster}' is not a complete PostgreSQL cluster: PG_VERSION or global/pg_control is missing or unreadable. Nothing was changed. " +
        "Restore the folder from a backup, or move it away to start with an empty database.");

    /// <summary>Names the reason for a failed write: a full disk is another mistake than a missing right.</summary>
    public static ConfigurationException CannotWrite(string folder, Exception e)
    {
        const int noSpace = 28, quotaExceededLinux = 122, quotaExceededMac = 69;
        return e is IOException { HResult: noSpace or quotaExceededLinux or quotaExceededMac }
            ? DiskFull(folder, e)
            : new("MST1108", $"The data folder '{folder}' cannot be written: {e.Message} Give this user ('{Environment.UserName}') the right to write there, or choose another data folder.", e);
    }

    public static ConfigurationException DiskFull(string folder, Exception? e) =>
        new("MST1109", $"The disk of '{folder}' is full ({FreeBytes(folder) / 1024 / 1024} MB free). PostgreSQL needs at least 100 MB to start. Free some space and start again.", e);

    public static long FreeBytes(string folder)
    {
        try
        {
            return new DriveInfo(folder).AvailableFreeSpace;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return 0;
        }
    }

    /// <summary>In the data folder, unless the account cannot get there: an application under /root runs PostgreSQL as an account that may not enter /root.</summary>
    private static async Task<string> ChooseRootAsync(string given, EmbeddedServerOptions options, ServerAccount account, CancellationToken cancellation)
    {
        var usual = Path.Combine(given, "postgres");
        if (!account.IsOther) return usual;

        var elsewhere = Path.Combine("/var/lib/mainstay", $"{EmbeddedServerOptions.NameOfDatabase(options.Name)}-{Hash(given)}");
        var canEnter = await account.CanEnterAsync(given, cancellation);
        // Data that exists decides: an empty database in a new place would look like a loss.
        if (Directory.Exists(Path.Combine(usual, "cluster")))
            return canEnter ? usual : throw new ConfigurationException("MST1108",
                $"The data in '{usual}' cannot be reached by '{account.Name}', the account that runs PostgreSQL. Make every parent folder enterable (chmod a+x), or move the folder.");
        if (canEnter && !Directory.Exists(Path.Combine(elsewhere, "cluster"))) return usual;

        var note = Path.Combine(given, "postgres-is-elsewhere.txt");
        var text = $"The database of this application is in {elsewhere}\nbecause PostgreSQL runs as the account '{account.Name}', which may not enter this folder.\n";
        if (!File.Exists(note) || await File.ReadAllTextAsync(note, cancellation) != text)
        {
            options.Progress?.Invoke($"The account '{account.Name}' may not enter '{given}', so the database goes to {elsewhere}");
            await File.WriteAllTextAsync(note, text, cancellation);
        }
        Directory.CreateDirectory(elsewhere);
        return elsewhere;
    }

    private async Task RequireOwnersAsync(CancellationToken cancellation)
    {
        foreach (var (path, expected, name) in new[] { (Root, account.IsOther ? 0 : account.UserId, Environment.UserName), (Cluster, account.UserId, account.Name) })
        {
            if (!Directory.Exists(path) || await ServerAccount.OwnerOfAsync(path, cancellation) is not { } owner || owner == expected) continue;
            throw new ConfigurationException("MST1112",
                $"'{path}' belongs to the user with id {owner}, expected {expected} ('{name}'). Start the application as the user that made the data, " +
                $"or stop it everywhere and hand the data over: chown -R {expected} '{path}'.");
        }
    }

    private void CreateFolders()
    {
        var enterable = account.IsOther ? OwnerOnly | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute : OwnerOnly;
        Directory.CreateDirectory(Root);
        File.SetUnixFileMode(Root, enterable);
        foreach (var name in new[] { "attached", "log", "run" })
        {
            var path = Path.Combine(Root, name);
            if (Directory.Exists(path)) continue;
            Directory.CreateDirectory(path, OwnerOnly);
            if (name != "attached") account.Own(path);
        }
    }

    private static int SocketPathBytes(string folder) => Encoding.UTF8.GetByteCount(folder) + $"/.s.PGSQL.{Port}".Length;

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..12];

    private static string RandomPassword() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
}
