using System.Globalization;

namespace Mainstay.Benchmarks;

/// <summary>What processes have cost the processors, from the files of Linux under /proc.</summary>
internal static class ProcessTimes
{
    private static readonly TimeSpan tick = TimeSpan.FromMilliseconds(10);

    /// <summary>
    /// A process and all of its children, those that ended included: each one's time in nanoseconds while it runs, and the sum that its parent keeps of it afterwards.
    /// </summary>
    public static TimeSpan OfFamily(int parent)
    {
        var total = OfOne(parent) + Waited(parent);
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
            if (int.TryParse(Path.GetFileName(folder.AsSpan()), out var process) && Stat(process) is { } stat && int.Parse(stat[1], CultureInfo.InvariantCulture) == parent)
                total += OfOne(process);
        return total;
    }

    /// <summary>The most memory that a process has held at once, in bytes.</summary>
    public static long PeakMemory(int process) => Memory(process, "VmHWM:");

    /// <summary>The memory that a process holds, in bytes.</summary>
    public static long ResidentMemory(int process) => Memory(process, "VmRSS:");

    // Backends have one thread. Counted in ticks of 10 ms, a short run of many of them would be lost in the rounding.
    private static TimeSpan OfOne(int process) => Read($"/proc/{process}/schedstat") is { } text
        ? TimeSpan.FromMicroseconds(long.Parse(text.AsSpan(0, text.IndexOf(' ')), CultureInfo.InvariantCulture) / 1000.0)
        : TimeSpan.Zero;

    private static TimeSpan Waited(int process) => Stat(process) is { } stat ? tick * (long.Parse(stat[13], CultureInfo.InvariantCulture) + long.Parse(stat[14], CultureInfo.InvariantCulture)) : TimeSpan.Zero;

    /// <summary>The fields behind the name of the program, which may contain spaces and brackets: state, parent, and so on.</summary>
    private static string[]? Stat(int process) => Read($"/proc/{process}/stat") is { } text ? text[(text.LastIndexOf(')') + 2)..].Split(' ') : null;

    private static long Memory(int process, string field) =>
        File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith(field, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, .., var kibibytes, _]
            ? long.Parse(kibibytes, CultureInfo.InvariantCulture) * 1024
            : throw new MeasurementException($"/proc/{process}/status has another form than expected.");

    private static string? Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            return null; // It ended in between; its parent has its time.
        }
    }
}
