using System.Globalization;
using System.Text.RegularExpressions;

namespace Mainstay.Internal;

/// <summary>
/// A PostgreSQL that can be run.
/// 1. the folder the options name; else 2. the highest usable one of PATH and the usual install folders; else 3. the one fetched with npm.
/// A cluster can only be opened by the major version that made it, so an existing one narrows the search to its major.
/// Installed ones run from a private copy (<see cref="BinariesCopy"/>).
/// </summary>
internal sealed partial record Binaries(string Folder, int Major, string Version)
{
    public const int MajorMin = 15;
    private static readonly string[] Programs = ["postgres", "initdb", "pg_ctl"];

    public string Program(string name) => Path.Combine(Folder, name);

    public static async Task<Binaries> FindAsync(EmbeddedServerOptions options, int? majorOfData, ServerAccount account, CancellationToken cancellation)
    {
        var majorNeeded = majorOfData ?? options.Major;
        var cache = BinariesCopy.CacheFolder(options, account);
        List<string> rejected = [];

        if (options.Binaries is { } named)
            return await UseFirstAsync(await ReadAllAsync([named, Path.Combine(named, "bin")], majorNeeded, rejected, cancellation), cache, rejected, cancellation)
                ?? throw new ConfigurationException("MST1106",
                    $"The folder '{named}' has no PostgreSQL {Needed(majorNeeded)} that can be used:{Lines(rejected)}\nName a folder that contains initdb, pg_ctl and postgres.");

        if (options.Source != BinariesSource.Fetched
            && await UseFirstAsync(await ReadAllAsync(UsualFolders(), majorNeeded, rejected, cancellation), cache, rejected, cancellation) is { } installed)
            return installed;

        if (options.Source != BinariesSource.Installed && (majorNeeded is null || majorNeeded == BinariesDownload.Major))
        {
            var fetched = await BinariesDownload.FindOrFetchAsync(options, cache, rejected, cancellation);
            if (fetched is not null) return fetched;
        }

        throw majorOfData is { } major
            ? new ConfigurationException("MST1107",
                $"The data in '{options.DataFolder}' was written by PostgreSQL {major}, and only PostgreSQL {major} can open it, but this machine has none. Looked at:{Lines(rejected)}\n" +
                $"Install it ({InstallCommand(major)}), or move the data with pg_dump and pg_restore.")
            : new ConfigurationException("MST1101",
                $"This application runs its own PostgreSQL, but the machine has none in version {Needed(majorNeeded)}. Looked at:{Lines(rejected)}\n" +
                $"Install it with: {InstallCommand(options.Major)}\nOr point to a server: ConnectionStrings__mainstay='Host=…;Database=…;Username=…;Password=…'");
    }

    /// <summary>Reads what a folder holds; explains in <paramref name="rejected"/> why it is of no use.</summary>
    public static async Task<Binaries?> ReadAsync(string folder, int? majorNeeded, List<string> rejected, CancellationToken cancellation)
    {
        if (Missing(folder) is { } missing)
        {
            rejected.Add($"{folder}: no {missing}");
            return null;
        }
        var result = await Command.RunAsync(Command.Of(Path.Combine(folder, "postgres"), "--version"), TimeSpan.FromSeconds(10), cancellation);
        var match = VersionText().Match(result.Output);
        if (!result.Succeeded || !match.Success)
        {
            rejected.Add($"{folder}: {result.Reason}");
            return null;
        }
        var major = int.Parse(match.Groups["major"].Value, CultureInfo.InvariantCulture);
        if (match.Groups["minor"].Value is "" || (majorNeeded is { } needed ? major != needed : major < MajorMin))
        {
            rejected.Add($"{folder}: version {result.Output.Trim()}, needed is {Needed(majorNeeded)}");
            return null;
        }
        return new Binaries(folder, major, $"{major}.{match.Groups["minor"].Value}");
    }

    private static string? Missing(string folder) => Programs.FirstOrDefault(program => !File.Exists(Path.Combine(folder, program)));

    private static async Task<List<Binaries>> ReadAllAsync(IEnumerable<string> folders, int? majorNeeded, List<string> rejected, CancellationToken cancellation)
    {
        List<Binaries> found = [];
        foreach (var folder in folders.Select(RealFolder).Distinct())
            if (await ReadAsync(folder, majorNeeded, rejected, cancellation) is { } usable) found.Add(usable);
        return [.. found.OrderByDescending(binaries => binaries.Major).ThenByDescending(binaries => System.Version.Parse(binaries.Version))];
    }

    private static async Task<Binaries?> UseFirstAsync(List<Binaries> candidates, string cache, List<string> rejected, CancellationToken cancellation)
    {
        foreach (var candidate in candidates)
            if (await BinariesCopy.UseAsync(candidate, cache, rejected, cancellation) is { } copy) return copy;
        return null;
    }

    /// <summary>The folder where <c>postgres</c> really is: /usr/local/bin/postgres is often a link, and PostgreSQL finds its files relative to the target.</summary>
    private static string RealFolder(string folder)
    {
        try
        {
            var program = new FileInfo(Path.Combine(folder, "postgres"));
            return Path.GetDirectoryName((program.ResolveLinkTarget(returnFinalTarget: true) ?? program).FullName)!;
        }
        catch (IOException)
        {
            return folder;       // a broken or circular link, which Missing names
        }
    }

    private static IEnumerable<string> UsualFolders()
    {
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Where(Path.IsPathRooted);
        foreach (var folder in path)
            if (File.Exists(Path.Combine(folder, "postgres"))) yield return folder;

        string[] patterns =
        [
            "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/usr/lib/postgresql*/bin", "/usr/local/pgsql*/bin",
            "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin", "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
            "/Library/PostgreSQL/*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin", "/opt/local/lib/postgresql*/bin", "/run/current-system/sw/bin",
        ];
        foreach (var folder in patterns.SelectMany(Expand))
            if (File.Exists(Path.Combine(folder, "postgres"))) yield return folder;
    }

    /// <summary>Expands the one starred segment of a pattern.</summary>
    private static IEnumerable<string> Expand(string pattern)
    {
        var star = pattern.IndexOf('*', StringComparison.Ordinal);
        if (star < 0) return [pattern];
        var start = pattern.LastIndexOf('/', star);
        var end = pattern.IndexOf('/', star) is >= 0 and var slash ? slash : pattern.Length;
        var parent = pattern[..start];
        if (!Directory.Exists(parent)) return [];
        try
        {
            return [.. Directory.EnumerateDirectories(parent, pattern[(start + 1)..end]).Select(folder => folder + pattern[end..])];
        }
        catch (UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string Needed(int? majorNeeded) => majorNeeded is { } major ? $"{major}" : $"{MajorMin} or newer";

    private static string Lines(List<string> rejected) => rejected.Count == 0 ? " PATH and the usual install folders." : "\n  " + string.Join("\n  ", rejected);

    private static string InstallCommand(int? major)
    {
        if (OperatingSystem.IsMacOS()) return $"brew install postgresql@{major ?? 18}";
        var system = File.Exists("/etc/os-release") ? File.ReadAllText("/etc/os-release") : "";
        var ids = OsIds().Matches(system).SelectMany(match => match.Groups["ids"].Value.Split(' ')).ToHashSet();
        return ids switch
        {
            _ when ids.Contains("debian") || ids.Contains("ubuntu") => $"apt-get install postgresql{(major is null ? "" : $"-{major}")}",
            _ when ids.Contains("fedora") || ids.Contains("rhel") || ids.Contains("centos") => "dnf install postgresql-server",
            _ when ids.Contains("alpine") => $"apk add postgresql{major ?? 17}",
            _ when ids.Contains("arch") => "pacman -S postgresql",
            _ when ids.Contains("suse") || ids.Contains("opensuse") => $"zypper install postgresql{major}-server",
            _ => "the package 'postgresql' of your system",
        };
    }

    [GeneratedRegex(@"\(PostgreSQL\)\s+(?<major>\d+)(\.(?<minor>\d+))?")]
    private static partial Regex VersionText();

    [GeneratedRegex("""^ID(_LIKE)?="?(?<ids>[^"\n]+)"?$""", RegexOptions.Multiline)]
    private static partial Regex OsIds();
}
