using System.Globalization;
using System.Text;

namespace Mainstay.Internal;

/// <summary>
/// The settings for this machine, written anew at each start. The server shares its machine or container with the application, so it takes a
/// smaller share of the memory than the usual advice for a database alone. Durability is never tuned: fsync, synchronous_commit and
/// full_page_writes stay on.
/// </summary>
internal sealed record ServerTuning(long MemoryBytes, int Cores)
{
    private const long Megabyte = 1024 * 1024;

    /// <summary>How many connections the server accepts.</summary>
    public int MaxConnections { get; init; } = 100;

    public static ServerTuning ForThisMachine() => new(MemoryLimit(), Environment.ProcessorCount);

    public string Configuration(string application, string socketFolder, int major, long freeDiskBytes, long sharedMemoryBytes)
    {
        var walMax = Clamp(freeDiskBytes / Megabyte / 10, 256, 4096);
        List<(string Name, string Value)> settings =
        [
            ("listen_addresses", Quote("")),
            ("port", Invariant(DataFolder.Port)),
            ("unix_socket_directories", Quote("\"" + socketFolder.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"")),
            ("unix_socket_permissions", "0700"),
            ("password_encryption", Quote("scram-sha-256")),
            ("ssl", "off"),
            ("cluster_name", Quote(Printable(application))),
            ("max_connections", Invariant(MaxConnections)),
            ("shared_buffers", Megabytes(Clamp(MemoryBytes / Megabyte / 8, 32, 8192))),
            ("effective_cache_size", Megabytes(Clamp(MemoryBytes / Megabyte / 2, 64, 1024 * 1024))),
            ("work_mem", Megabytes(Clamp(MemoryBytes / Megabyte / 1024, 4, 64))),
            ("maintenance_work_mem", Megabytes(Clamp(MemoryBytes / Megabyte / 32, 16, 1024))),
            ("max_wal_size", Megabytes(walMax)),
            ("min_wal_size", Megabytes(Math.Min(256, walMax / 2))),
            ("wal_compression", "on"),
            ("checkpoint_timeout", Quote("15min")),
            ("checkpoint_completion_target", "0.9"),
            ("random_page_cost", "1.1"),
            ("max_worker_processes", Invariant(Math.Max(8, Cores))),
            ("max_parallel_workers", Invariant(Cores)),
            ("max_parallel_workers_per_gather", Invariant(Clamp(Cores / 2, 0, 4))),
            ("max_locks_per_transaction", "256"),
            ("jit", "off"),
            ("idle_in_transaction_session_timeout", Quote("5min")),
            ("timezone", Quote("UTC")),
            ("log_timezone", Quote("UTC")),
            // The client that made an error already knows it. Statements, parameters and row values stay out of the log.
            ("log_min_messages", "log"),
            ("log_min_error_statement", "panic"),
            ("log_error_verbosity", "terse"),
            ("log_statement", "none"),
            ("log_checkpoints", "off"),
            ("log_autovacuum_min_duration", "-1"),
        ];
        if (OperatingSystem.IsLinux())
        {
            settings.Add(("effective_io_concurrency", "200"));
            settings.Add(("client_connection_check_interval", Quote("5s")));       // the queries of a killed application end soon
            // A container has 64 MB of /dev/shm unless told otherwise, too little for a parallel hash join.
            if (sharedMemoryBytes < 512 * Megabyte) settings.Add(("dynamic_shared_memory_type", "mmap"));
        }

        var text = new StringBuilder("# Written by Mainstay at each start. Put your own settings at the end of postgresql.conf.\n");
        text.Append(CultureInfo.InvariantCulture, $"# PostgreSQL {major}, {MemoryBytes / Megabyte} MB of memory, {Cores} cores\n");
        foreach (var (name, value) in settings) text.Append(CultureInfo.InvariantCulture, $"{name} = {value}\n");
        return text.ToString();
    }

    /// <summary>The limit of the container, else what the machine has.</summary>
    internal static long MemoryLimit(string root = "/")
    {
        var limit = PhysicalMemory(root);
        foreach (var file in ControlGroupLimits(root))
            if (File.Exists(file) && long.TryParse(ReadLine(file), CultureInfo.InvariantCulture, out var bytes) && bytes > 0) limit = Math.Min(limit, bytes);
        return limit;
    }

    private static long PhysicalMemory(string root)
    {
        var file = Path.Combine(root, "proc/meminfo");
        if (!File.Exists(file)) return GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        var kilobytes = File.ReadLines(file).First(line => line.StartsWith("MemTotal:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return long.Parse(kilobytes, CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>The files of our control group and all its parents: any of them may hold the tighter limit. Inside a container the path is often just "/".</summary>
    private static IEnumerable<string> ControlGroupLimits(string root)
    {
        var groups = Path.Combine(root, "proc/self/cgroup");
        if (!File.Exists(groups)) yield break;
        foreach (var line in File.ReadLines(groups))
        {
            var parts = line.Split(':', 3);
            if (parts.Length < 3) continue;
            var (folder, name) = parts[1] == "" ? ("sys/fs/cgroup", "memory.max")
                : parts[1].Split(',').Contains("memory") ? ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
                : ("", "");
            if (folder == "") continue;
            for (var group = parts[2].Trim('/'); ; group = Path.GetDirectoryName(group) ?? "")
            {
                yield return Path.Combine(root, folder, group, name);
                if (group == "") break;
            }
        }
    }

    private static string ReadLine(string file)
    {
        try
        {
            return File.ReadLines(file).FirstOrDefault("");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static long Clamp(long value, long min, long max) => Math.Clamp(value, min, max);

    private static string Megabytes(long value) => $"{Invariant(value)}MB";

    private static string Invariant(long value) => value.ToString(CultureInfo.InvariantCulture);

    internal static string Quote(string value) => "'" + value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal) + "'";

    private static string Printable(string application) => string.Concat(application.Where(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.').Take(40));
}
