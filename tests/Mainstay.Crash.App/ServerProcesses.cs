using System.Globalization;
using System.Runtime.InteropServices;

namespace Mainstay.Tests;

/// <summary>The processes of the private server of a data folder: the postmaster and its children, as Linux shows them.</summary>
public sealed record ServerProcesses(int Postmaster, IReadOnlyList<int> Children)
{
    /// <summary>Postmaster 0 and no children when no server runs.</summary>
    public static ServerProcesses Of(string dataFolder)
    {
        var file = Path.Combine(dataFolder, "postgres", "cluster", "postmaster.pid");
        var postmaster = Read(file) is { } text && int.TryParse(text.Split('\n')[0], CultureInfo.InvariantCulture, out var id) && IsPostgres(id) ? id : 0;
        return new ServerProcesses(postmaster, postmaster == 0 ? [] : [.. ChildrenOf(postmaster)]);
    }

    public void Signal(int signal)
    {
        foreach (var process in (int[])[Postmaster, .. Children]) Signals.Send(process, signal);
    }

    private static IEnumerable<int> ChildrenOf(int parent) =>
        from folder in Directory.EnumerateDirectories("/proc")
        let id = int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var number) ? number : 0
        where id > 0 && ParentOf(id) == parent
        select id;

    /// <summary>From "123 (name) S 100 …": state and parent follow the name, which may hold blanks. 0 for a process that is gone or a zombie.</summary>
    private static int ParentOf(int process) =>
        Read($"/proc/{process}/stat") is { } stat && stat[(stat.LastIndexOf(')') + 2)..].Split(' ') is [not "Z", var parent, ..] ? int.Parse(parent, CultureInfo.InvariantCulture) : 0;

    private static bool IsPostgres(int process) => Read($"/proc/{process}/comm")?.StartsWith("postgres", StringComparison.Ordinal) == true && ParentOf(process) > 0;

    private static string? Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

/// <summary>What can be sent to a process.</summary>
public static class Signals
{
    public const int Interrupt = 2, Kill = 9, Terminate = 15, Continue = 18, Stop = 19;

    /// <returns>False when there is no such process.</returns>
    public static bool Send(int process, int signal) => process > 0 && kill(process, signal) == 0;

    [DllImport("libc"), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int kill(int process, int signal);
}
