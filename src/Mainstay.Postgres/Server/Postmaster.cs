using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Mainstay.Internal;

/// <summary>What postmaster.pid says: process id, folder, start time, port, socket folder, addresses, shared memory, status, one per line.</summary>
internal sealed record Postmaster(int ProcessId, DateTimeOffset StartedAt, string SocketFolder, string Status, string Text)
{
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
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>
    /// Whose process this is now. The file outlives a kill and a power loss, and the next boot or container gives the same number to another program.
    /// PostgreSQL alone cannot tell these apart and refuses to start.
    /// </summary>
    public ProcessIdentity Identify()
    {
        try
        {
            if (OperatingSystem.IsLinux())
            {
                if (IsDead(ProcessId)) return ProcessIdentity.Gone;
                if (WorksIn(ProcessId, Text)) return ProcessIdentity.Ours;
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
            return IsDead(ProcessId) ? ProcessIdentity.Gone : ProcessIdentity.Foreign;
        }
    }

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
    public void EndOrphans()
    {
        const int quit = 3;
        if (!OperatingSystem.IsLinux()) return;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id) && id != ProcessId && WorksIn(id, Text)) _ = kill(id, quit);
    }

    /// <summary>Whether a PostgreSQL process has the cluster as its working folder: it sees this very file there.</summary>
    private static bool WorksIn(int processId, string text)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/comm").StartsWith("postgres", StringComparison.Ordinal)
                && FirstLines(File.ReadAllText($"/proc/{processId}/cwd/postmaster.pid")) == FirstLines(text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Process id, folder and start time; the status below them changes.</summary>
    private static string FirstLines(string text) => string.Join('\n', text.Split('\n').Take(3));

    private static bool IsDead(int processId)
    {
        try
        {
            // "123 (name) Z …": a zombie is dead, its parent has just not noticed, which is the rule when we are process 1 of a container.
            var stat = File.ReadAllText($"/proc/{processId}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..][0] is 'Z' or 'X';
        }
        catch (IOException)
        {
            return true;
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

    /// <summary>The server of this cluster.</summary>
    Ours,

    /// <summary>A program that started later than the server did: the server is dead, the number was used again.</summary>
    Reused,

    /// <summary>A program that may or may not have to do with the cluster. Nobody but a person can know.</summary>
    Foreign,
}
