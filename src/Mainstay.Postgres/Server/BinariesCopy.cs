using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Mainstay.Internal;

/// <summary>
/// A private copy of an installed PostgreSQL, so that a package upgrade under a running server cannot mix two versions: the postmaster of the
/// old version would load libraries and start backends of the new one.
/// PostgreSQL finds its libraries and files relative to its program, so the copy keeps their positions relative to each other:
///   /usr/lib/postgresql/15/bin, /usr/lib/postgresql/15/lib, /usr/share/postgresql/15   (common parent /usr)
///   copy/lib/postgresql/15/bin, copy/lib/postgresql/15/lib, copy/share/postgresql/15
/// </summary>
internal static class BinariesCopy
{
    private static readonly string[] Programs = ["postgres", "initdb", "pg_ctl", "pg_config", "pg_controldata", "pg_dump", "pg_restore", "pg_basebackup", "psql"];
    private static readonly string[] SkippedFolders = ["bitcode", "pgxs", "doc", "man", "include", "locale", "pkgconfig", "contrib", "bin"];
    private static readonly (string Lib, string Share)[] KnownLayouts =
    [
        ("../lib", "../../../share/postgresql/{0}"), ("../lib", "../share"), ("../lib/postgresql", "../share/postgresql"),
        ("../lib64/pgsql", "../share/pgsql"), ("../lib/pgsql", "../share/pgsql"), ("../../lib/postgresql{0}", "../../share/postgresql{0}"),
    ];

    /// <summary>Per user, and for root a place the unprivileged account can enter. Nobody but its owner may write there: programs are run from it.</summary>
    public static string CacheFolder(EmbeddedServerOptions options, ServerAccount account)
    {
        if (options.CacheFolder is { } named) return Path.GetFullPath(named);
        if (account.IsOther) return "/var/cache/mainstay";
        var home = Environment.GetEnvironmentVariable("HOME");
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg && Path.IsPathRooted(xdg) ? xdg
            : home is null or "" ? null
            : OperatingSystem.IsMacOS() ? Path.Combine(home, "Library", "Caches")
            : Path.Combine(home, ".cache");
        if (cache is not null)
            try
            {
                return Directory.CreateDirectory(Path.Combine(cache, "mainstay")).FullName;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Service accounts often have a home that does not exist or is not theirs.
            }
        return Path.Combine(Path.GetFullPath(options.DataFolder), "cache");
    }

    /// <summary>The copy of an installed PostgreSQL, made now if there is none. Null, with the reason in <paramref name="rejected"/>, if it cannot be copied.</summary>
    public static async Task<Binaries?> UseAsync(Binaries installed, string cache, List<string> rejected, CancellationToken cancellation)
    {
        if (installed.Folder.StartsWith(cache + "/", StringComparison.Ordinal)) return installed;

        var copies = Path.Combine(cache, "postgres");
        var target = Path.Combine(copies, $"{installed.Version}-{Fingerprint(installed)}");
        var layout = await LayoutAsync(installed, cancellation);
        if (layout is null)
        {
            rejected.Add($"{installed.Folder}: version {installed.Version}, but its libraries or shared files were not found");
            return null;
        }
        var copied = installed with { Folder = layout.In(target, layout.Bin) };
        if (Directory.Exists(target)) return copied;

        var draft = Draft(copies);
        try
        {
            layout.CopyTo(draft);
            var draftLayout = await AskAsync(layout.In(draft, layout.Bin), cancellation);
            if (draftLayout is not null && (!IsWithin(draft, draftLayout.Lib) || !IsWithin(draft, draftLayout.Share)))
            {
                rejected.Add($"{installed.Folder}: version {installed.Version}, but a copy of it still uses '{draftLayout.Share}' and '{draftLayout.Lib}'");
                return null;
            }
            if (await Binaries.ReadAsync(layout.In(draft, layout.Bin), installed.Major, rejected, cancellation) is null) return null;
            Publish(draft, target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(cache, e);
        }
        finally
        {
            Discard(draft);
        }
        return copied;
    }

    public static ConfigurationException CannotWrite(string cache, Exception e) => new("MST1121",
        $"PostgreSQL could not be copied into '{cache}': {e.Message} Free some space or set CacheFolder to a folder that this user may write.", e);

    /// <summary>A fresh folder to build in; what a killed process left behind for a day is removed.</summary>
    public static string Draft(string copies)
    {
        try
        {
            Directory.CreateDirectory(copies);
            foreach (var left in Directory.EnumerateDirectories(copies, ".draft-*"))
                if (Directory.GetLastWriteTimeUtc(left) < TimeProvider.System.GetUtcNow().UtcDateTime.AddDays(-1)) Discard(left);
            var draft = Path.Combine(copies, $".draft-{RandomNumberGenerator.GetHexString(12, lowercase: true)}");
            Directory.CreateDirectory(draft, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
            return draft;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(copies, e);
        }
    }

    /// <summary>Puts a finished draft in its place in one step. When another process was faster, its result is as good as ours.</summary>
    public static void Publish(string draft, string target)
    {
        try
        {
            Directory.Move(draft, target);
        }
        catch (IOException) when (Directory.Exists(target))
        {
        }
    }

    public static void Discard(string draft)
    {
        try
        {
            if (Directory.Exists(draft)) Directory.Delete(draft, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another start tries again after a day.
        }
    }

    private static bool IsWithin(string folder, string path) => path.StartsWith(Path.GetFullPath(folder) + "/", StringComparison.Ordinal);

    /// <summary>Version and build: a rebuilt package keeps the version and changes the program.</summary>
    private static string Fingerprint(Binaries installed)
    {
        var program = new FileInfo(installed.Program("postgres"));
        var text = string.Create(CultureInfo.InvariantCulture, $"{installed.Folder}|{program.Length}|{program.LastWriteTimeUtc.Ticks}");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..12];
    }

    private static async Task<Layout?> LayoutAsync(Binaries installed, CancellationToken cancellation)
    {
        if (await AskAsync(installed.Folder, cancellation) is { } asked && asked.IsComplete(installed.Major)) return asked;
        return KnownLayouts
            .Select(known => new Layout(installed.Folder, Resolve(installed, known.Lib), Resolve(installed, known.Share)))
            .FirstOrDefault(layout => layout.IsComplete(installed.Major));
    }

    private static string Resolve(Binaries installed, string relative) =>
        Path.GetFullPath(Path.Combine(installed.Folder, string.Format(CultureInfo.InvariantCulture, relative, installed.Major)));

    /// <summary>pg_config tells where the programs beside it look for their files. Some packages do not install it.</summary>
    private static async Task<Layout?> AskAsync(string folder, CancellationToken cancellation)
    {
        if (!File.Exists(Path.Combine(folder, "pg_config"))) return null;
        var result = await Command.RunAsync(Command.Of(Path.Combine(folder, "pg_config"), "--bindir", "--pkglibdir", "--sharedir"), TimeSpan.FromSeconds(10), cancellation);
        var lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return result.Succeeded && lines.Length == 3 && Path.GetFullPath(lines[0]) == Path.GetFullPath(folder) ? new Layout(folder, lines[1], lines[2]) : null;
    }

    private sealed record Layout(string Bin, string Lib, string Share)
    {
        public bool IsComplete(int major)
        {
            var catalog = Path.Combine(Share, "postgres.bki");
            return File.Exists(catalog) && File.ReadLines(catalog).First() == $"# PostgreSQL {major}"
                && Directory.Exists(Lib) && Directory.EnumerateFiles(Lib, "plpgsql.*").Any() && CommonParent.Length > 1;
        }

        private string CommonParent
        {
            get
            {
                var paths = new[] { Bin, Lib, Share }.Select(path => Path.GetFullPath(path).Split('/')).ToArray();
                return string.Join('/', paths[0].TakeWhile((segment, at) => paths.All(path => at < path.Length && path[at] == segment)));
            }
        }

        public string In(string copy, string folder) => Path.Combine(copy, Path.GetRelativePath(CommonParent, folder));

        public void CopyTo(string copy)
        {
            var bin = Directory.CreateDirectory(In(copy, Bin)).FullName;
            foreach (var program in Programs)
                if (File.Exists(Path.Combine(Bin, program))) File.Copy(Path.Combine(Bin, program), Path.Combine(bin, program), overwrite: true);
            CopyFolder(Lib, In(copy, Lib));
            CopyFolder(Share, In(copy, Share));
            CopyOwnLibraries(copy);
        }

        /// <summary>A self-contained build brings libssl and the like in its own lib folder; those of the system stay where they are.</summary>
        private void CopyOwnLibraries(string copy)
        {
            var libraries = Path.GetFullPath(Path.Combine(Bin, "../lib"));
            if (libraries == Lib || Path.GetDirectoryName(libraries) is "/usr" or "/usr/local" || !Directory.Exists(libraries)) return;
            var target = Directory.CreateDirectory(In(copy, libraries)).FullName;
            foreach (var library in new DirectoryInfo(libraries).EnumerateFiles("lib*").Where(file => file.Extension != ".a"))
                CopyFile(library, Path.Combine(target, library.Name));
        }

        private static void CopyFolder(string from, string to)
        {
            Directory.CreateDirectory(to);
            foreach (var entry in new DirectoryInfo(from).EnumerateFileSystemInfos())
            {
                var target = Path.Combine(to, entry.Name);
                if (entry is DirectoryInfo { LinkTarget: null })
                {
                    if (!SkippedFolders.Contains(entry.Name)) CopyFolder(entry.FullName, target);
                }
                else if (entry is FileInfo file && file.Extension != ".a" && !file.Name.StartsWith("llvmjit", StringComparison.Ordinal))
                {
                    CopyFile(file, target);
                }
            }
        }

        private static void CopyFile(FileInfo file, string target)
        {
            if (file.LinkTarget is { } link && !link.Contains('/', StringComparison.Ordinal)) File.CreateSymbolicLink(target, link);
            else if (file.Exists) file.CopyTo(target, overwrite: true);
        }
    }
}
