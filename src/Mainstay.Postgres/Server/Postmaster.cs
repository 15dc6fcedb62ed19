using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Mainstay.Internal;

/// <summary>What postmaster.pid says: process id, folder, start time, port, socket folder, addresses, shared memory, status, one per line.</summary>
internal sealed record Postmaster(int ProcessId, DateTimeOffset StartedAt, string SocketFolder, string Status, string Text)
{
    private const char ending = 'e';

    public bool IsReady => Status == "ready";
    public bool IsStopping => Status == "stopping";

    /// <summary>Null when there is none, or only its beginning: the server is about to write the rest.</summary>
    public static Postmaster? Read(string cluster)
    {
        try
        {
            var text = File.ReadAllText(Path.Combine(cluster, "postmaster.pid"));
            var lines = text.Split('\n');
            return int.TryParse(lines[0], CultureInfo.InvariantCulture, out var id) && lines.Length > 2 && long.TryParse(lines[2], CultureInfo.InvariantCulture, out var seconds)
                ? new Postmaster(Math.Abs(id), DateTimeOffset.FromUnixTimeSeconds(seconds), lines.ElementAtOrDefault(4) ?? "", lines.ElementAtOrDefault(7)?.Trim() ?? "", text)
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>
    /// Whose process this is now. The file outlives a kill and a power loss, and the next boot or container gives the same number to another program.
    /// PostgreSQL alone cannot tell these apart and refuses to start. Without the file it still refuses while anybody uses the shared memory, whose
    /// key comes from the folder.
    /// </summary>
    public ProcessIdentity Identify()
    {
        try
        {
            if (OperatingSystem.IsLinux())
            {
                if (Dead() is { } dead) return dead;
                if (WorksIn(ProcessId, Text)) return ProcessIdentity.Ours;
                // Killed between the two looks: a process that is ending has no folder any more.
                if (Dead() is { } killed) return killed;
            }
            using var process = Process.GetProcessById(ProcessId);
            if (!OperatingSystem.IsLinux() && process.ProcessName == "postgres") return ProcessIdentity.Ours;
            // The file was written by a server that started before this process did, so the number was given away again.
            return new DateTimeOffset(process.StartTime) > StartedAt.AddSeconds(5) ? ProcessIdentity.Reused : ProcessIdentity.Foreign;
        }
        catch (ArgumentException)
        {
            return ProcessIdentity.Gone;
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return StateOf(ProcessId) is null ? ProcessIdentity.Gone : ProcessIdentity.Foreign;
        }
    }

    /// <summary>Null for a process that lives.</summary>
    private ProcessIdentity? Dead() => StateOf(ProcessId) switch { null => ProcessIdentity.Gone, 'Z' or 'X' => ProcessIdentity.Defunct, ending => ProcessIdentity.Ending, _ => null };

    public string ProcessName()
    {
        try
        {
            using var process = Process.GetProcessById(ProcessId);
            return process.ProcessName;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return "unknown";
        }
    }

    /// <summary>
    /// Backends of a killed postmaster end by themselves when they next wait; one in a long computation does not, and keeps the shared memory that
    /// a new server must not touch.
    /// </summary>
    public static void EndOrphans(string clusterRealPath)
    {
        const int quit = 3;
        if (!OperatingSystem.IsLinux()) return;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id) && IsPostgres(id) && FolderOf(id) == clusterRealPath) _ = kill(id, quit);
    }

    /// <summary>Whether a PostgreSQL process has the cluster as its working folder: it sees this very file there.</summary>
    private static bool WorksIn(int processId, string text)
    {
        try
        {
            return IsPostgres(processId) && FirstLines(File.ReadAllText($"/proc/{processId}/cwd/postmaster.pid")) == FirstLines(text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool IsPostgres(int processId)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/comm").StartsWith("postgres", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static string? FolderOf(int processId)
    {
        try
        {
            return new FileInfo($"/proc/{processId}/cwd").LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Process id, folder and start time; the status below them changes.</summary>
    private static string FirstLines(string text) => string.Join('\n', text.Split('\n').Take(3));

    /// <summary>
    /// The letter of "123 (name) S parent group session terminal foreground flags …". Null when there is no such process. One that is ending
    /// shows the letter of a living one until its memory is given back, which takes longer than it sounds on a busy machine; a flag tells.
    /// </summary>
    private static char? StateOf(int processId)
    {
        const uint exiting = 4;
        try
        {
            var stat = File.ReadAllText($"/proc/{processId}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ') is [var state, _, _, _, _, _, var flags, ..]
                ? state is not ("Z" or "X") && (uint.Parse(flags, CultureInfo.InvariantCulture) & exiting) != 0 ? ending : state[0]
                : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    [DllImport("libc"), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int kill(int processId, int signal);
}

/// <summary>Whose process the number in postmaster.pid is.</summary>
internal enum ProcessIdentity
{
    /// <summary>Nobody's: the server is dead.</summary>
    Gone,

    /// <summary>A dead server's, whose parent has not noticed yet. That is the rule in a container whose first process does not look after orphans.</summary>
    Defunct,

    /// <summary>A process that was killed or is leaving at this very moment, and has given its folder back.</summary>
    Ending,

    /// <summary>The server of this cluster.</summary>
    Ours,

    /// <summary>A program that started later than the server did: the server is dead, the number was used again.</summary>
    Reused,

    /// <summary>A program that may or may not have to do with the cluster. Nobody but a person can know.</summary>
    Foreign,
}
