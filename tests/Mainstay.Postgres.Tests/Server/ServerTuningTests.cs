using Mainstay.Internal;

namespace Mainstay.Tests;

public sealed class ServerTuningTests : IDisposable
{
    private const long Megabyte = 1024 * 1024;
    private readonly TemporaryFolder root = new();

    [Fact]
    public void The_limit_of_a_container_counts_and_not_the_memory_of_its_machine()
    {
        Write("proc/meminfo", "MemTotal:       32000000 kB\n");
        Write("proc/self/cgroup", "0::/a/b\n");
        Write("sys/fs/cgroup/a/memory.max", $"{512 * Megabyte}\n");
        Write("sys/fs/cgroup/a/b/memory.max", "max\n");

        ServerTuning.MemoryLimit(root.Path).ShouldBe(512 * Megabyte);
    }

    [Fact]
    public void Older_control_groups_count_too_and_their_unlimited_value_does_not()
    {
        Write("proc/meminfo", "MemTotal:       4096 kB\n");
        Write("proc/self/cgroup", "5:cpu:/\n4:memory:/job\n");
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        ServerTuning.MemoryLimit(root.Path).ShouldBe(4 * Megabyte);

        Write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", $"{2 * Megabyte}\n");

        ServerTuning.MemoryLimit(root.Path).ShouldBe(2 * Megabyte);
    }

    [Theory]
    [InlineData(128, 1)]
    [InlineData(512, 1)]
    [InlineData(4096, 4)]
    [InlineData(262144, 64)]
    public void Sizes_follow_the_machine_within_bounds_and_durability_is_never_touched(long megabytes, int cores)
    {
        var text = new ServerTuning(megabytes * Megabyte, cores).Configuration("shop", "/run/x", 18, 100_000 * Megabyte, 10_000 * Megabyte);

        var shared = Size(text, "shared_buffers");
        shared.ShouldBeInRange(32, 8192);
        shared.ShouldBeLessThanOrEqualTo(megabytes / 4);
        Size(text, "work_mem").ShouldBeInRange(4, 64);
        foreach (var name in new[] { "fsync", "synchronous_commit", "full_page_writes", "data_sync_retry" }) text.ShouldNotContain(name);
    }

    [Fact]
    public void The_log_of_a_full_disk_stays_within_the_disk()
    {
        Size(new ServerTuning(1024 * Megabyte, 2).Configuration("shop", "/run/x", 15, 3000 * Megabyte, 0), "max_wal_size").ShouldBe(300);
    }

    [Fact]
    public void A_container_with_little_shared_memory_uses_files_instead()
    {
        new ServerTuning(1024 * Megabyte, 2).Configuration("shop", "/run/x", 15, 0, 64 * Megabyte).Contains("dynamic_shared_memory_type = mmap", StringComparison.Ordinal)
            .ShouldBe(OperatingSystem.IsLinux());
    }

    [Theory]
    [InlineData("shop", "shop")]
    [InlineData("My Shop!", "my_shop")]
    [InlineData("7seas", "db_7seas")]
    [InlineData("postgres", "mainstay")]
    [InlineData("日本", "mainstay")]
    public void A_database_gets_a_name_that_needs_no_quotes(string application, string database) => EmbeddedServerOptions.NameOfDatabase(application).ShouldBe(database);

    public void Dispose() => root.Dispose();

    private static long Size(string text, string name) =>
        long.Parse(text.Split('\n').Single(line => line.StartsWith($"{name} = ", StringComparison.Ordinal)).Split(" = ")[1].Replace("MB", "", StringComparison.Ordinal), System.Globalization.CultureInfo.InvariantCulture);

    private void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(root.In(path))!);
        File.WriteAllText(root.In(path), text);
    }
}
