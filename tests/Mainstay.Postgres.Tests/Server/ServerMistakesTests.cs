using System.Diagnostics;
using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>Each mistake has its own code, and nothing that exists is touched.</summary>
public sealed class ServerMistakesTests : ServerTest
{
    [Fact]
    public async Task Wrong_options_are_reported_together()
    {
        var message = await FailAsync(options => options with { Name = " ", Database = "My Shop", StartTimeout = TimeSpan.Zero });

        message.ShouldContain("no name");
        message.ShouldContain("'my_shop'");
        message.ShouldContain("StartTimeout is 00:00:00");
    }

    [Fact]
    public async Task A_named_folder_without_PostgreSQL_is_refused()
    {
        (await FailAsync(options => options with { Binaries = Folder.Path })).ShouldStartWith($"MST1106: The folder '{Folder.Path}'");
    }

    [Fact]
    public async Task A_machine_without_PostgreSQL_gets_the_one_command_that_installs_it()
    {
        using var other = new OtherProcess(DataFolder, ("PATH", "/nowhere"), ("MAINSTAY_TEST_SOURCE", "Fetched"), ("MAINSTAY_TEST_CACHE", Folder.In("cache")), ("MAINSTAY_TEST_POSTGRES", ""));

        var line = await other.LineAsync("failed");

        // Without PATH there is no id(1) either, by which root finds the account.
        if (Environment.IsPrivilegedProcess) line.ShouldStartWith("failed MST1110");
        else line.ShouldContain("npm: not found");
    }

    [Fact]
    public async Task A_major_version_that_is_nowhere_is_named()
    {
        var message = await FailAsync(options => options with { Major = 99 });

        message.ShouldStartWith("MST1101");
        message.ShouldContain("99");
        message.ShouldContain("ConnectionStrings__mainstay");
    }

    [Fact]
    public async Task Data_of_a_major_version_that_is_nowhere_is_left_alone()
    {
        var cluster = await PretendClusterAsync(99);

        var message = await FailAsync();

        message.ShouldStartWith("MST1107");
        message.ShouldContain("only PostgreSQL 99 can open it");
        File.ReadAllText(Path.Combine(cluster, "PG_VERSION")).ShouldBe("99\n");
    }

    [Fact]
    public async Task A_damaged_cluster_is_left_alone()
    {
        var cluster = await PretendClusterAsync(15);
        File.Delete(Path.Combine(cluster, "PG_VERSION"));

        (await FailAsync()).ShouldStartWith("MST1113");

        File.Exists(Path.Combine(cluster, "global", "pg_control")).ShouldBeTrue();
    }

    [Fact]
    public async Task A_server_that_cannot_read_its_data_says_why_with_its_own_words()
    {
        await using (await StartAsync()) { }
        await File.WriteAllTextAsync(Path.Combine(Postgres, "cluster", "global", "pg_control"), "nonsense", Cancellation);

        var message = await FailAsync();

        message.ShouldStartWith("MST1116");
        message.ShouldContain("pg_control");
        message.ShouldContain("server.log");
    }

    [Fact]
    public async Task Data_of_another_account_is_refused()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root can give files away.");
        var cluster = await PretendClusterAsync(15);
        (await Command.RunAsync(Command.Of("chown", "4711", cluster), TimeSpan.FromSeconds(10), Cancellation)).Succeeded.ShouldBeTrue();

        var message = await FailAsync();

        message.ShouldStartWith("MST1112");
        message.ShouldContain("4711");
    }

    [Fact]
    public async Task A_living_process_that_is_not_the_server_is_not_disturbed()
    {
        await using (await StartAsync()) { }
        using var stranger = Process.Start("sleep", "300");
        var file = Path.Combine(Postgres, "cluster", "postmaster.pid");
        var text = $"{stranger.Id}\n{Postgres}/cluster\n{TimeProvider.System.GetUtcNow().ToUnixTimeSeconds()}\n5432\n\n\n\nready\n";
        await File.WriteAllTextAsync(file, text, Cancellation);

        (await FailAsync()).ShouldStartWith("MST1114");

        (await File.ReadAllTextAsync(file, Cancellation)).ShouldBe(text);
        stranger.HasExited.ShouldBeFalse();
        stranger.Kill();
    }

    [Fact]
    public async Task A_process_number_that_was_used_again_since_does_not_keep_the_server_from_starting()
    {
        await using (await StartAsync()) { }
        using var stranger = Process.Start("sleep", "300");
        var file = Path.Combine(Postgres, "cluster", "postmaster.pid");
        var anHourAgo = TimeProvider.System.GetUtcNow().AddHours(-1).ToUnixTimeSeconds();
        await File.WriteAllTextAsync(file, $"{stranger.Id}\n{Postgres}/cluster\n{anHourAgo}\n5432\n\n\n\nready\n", Cancellation);
        var account = await ServerAccount.ChooseAsync(null, Cancellation);
        account.Own(file);

        await using var server = await StartAsync();

        (await AskAsync(server.ConnectionString, "select 1")).ShouldBe("1");
        stranger.HasExited.ShouldBeFalse();
        stranger.Kill();
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_is_named()
    {
        await File.WriteAllTextAsync(Folder.In("file"), "", Cancellation);

        (await FailAsync(options => options with { DataFolder = Folder.In("file", ".mainstay") })).ShouldStartWith("MST1108");
    }

    [Fact]
    public void A_full_disk_is_another_mistake_than_a_missing_right()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "Needs /dev/full.");

        var full = Should.Throw<IOException>(() => File.WriteAllText("/dev/full", "x"));

        Mainstay.Internal.DataFolder.CannotWrite("/", full).Code.ShouldBe("MST1109");
        Mainstay.Internal.DataFolder.CannotWrite("/", new UnauthorizedAccessException("Access denied.")).Code.ShouldBe("MST1108");
    }

    [Fact]
    public async Task A_full_disk_is_named_and_leaves_no_half_cluster()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root can mount a small disk.");
        Directory.CreateDirectory(DataFolder);
        var mount = await Command.RunAsync(Command.Of("mount", "-t", "tmpfs", "-o", "size=20m,mode=755", "tmpfs", DataFolder), TimeSpan.FromSeconds(10), Cancellation);
        Assert.SkipUnless(mount.Succeeded, "This machine does not let root mount.");
        try
        {
            (await FailAsync()).ShouldStartWith("MST1109");

            Directory.Exists(Path.Combine(Postgres, "cluster")).ShouldBeFalse();
        }
        finally
        {
            await Command.RunAsync(Command.Of("umount", DataFolder), TimeSpan.FromSeconds(10), CancellationToken.None);
        }
    }

    [Fact]
    public async Task Missing_passwords_are_named()
    {
        await using (await StartAsync()) { }
        File.Delete(Path.Combine(Postgres, "passwords"));

        (await FailAsync()).ShouldStartWith("MST1119");
    }

    [Fact]
    public async Task Passwords_of_other_data_are_named()
    {
        await using (await StartAsync()) { }
        await File.WriteAllTextAsync(Path.Combine(Postgres, "passwords"), $"{new string('0', 64)}\n{new string('0', 64)}\n", Cancellation);

        (await FailAsync()).ShouldStartWith("MST1119");
    }

    [Fact]
    public async Task A_process_of_another_container_on_the_same_folder_is_an_alarm()
    {
        await using (await StartAsync()) { }
        await using var lockedByAnother = new FileStream(Path.Combine(Postgres, "attached", "20-4026999999-abcdef"), FileMode.Create, FileAccess.ReadWrite, FileShare.None);

        var message = await FailAsync();

        message.ShouldStartWith("MST1120");
        message.ShouldContain("process 20");
    }

    [Fact]
    public async Task A_gate_that_stays_closed_is_not_waited_for_forever()
    {
        await using (await StartAsync()) { }
        await using var busy = new FileStream(Path.Combine(Postgres, "gate.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);

        (await FailAsync(options => options with { StartTimeout = TimeSpan.FromMilliseconds(50) })).ShouldStartWith("MST1117");
    }

    [Fact]
    public async Task An_account_that_does_not_exist_is_named()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root runs PostgreSQL as another account.");

        (await FailAsync(options => options with { Account = "nobody-of-that-name" })).ShouldStartWith("MST1110");
        (await FailAsync(options => options with { Account = "root" })).ShouldStartWith("MST1110");
    }

    [Fact]
    public async Task A_socket_folder_of_somebody_else_is_refused()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root can give files away.");
        var longFolder = Folder.In(new string('x', 100));
        string socket;
        await using (var server = await StartAsync(options => options with { DataFolder = longFolder }))
            socket = new Npgsql.NpgsqlConnectionStringBuilder(server.ConnectionString).Host!;
        (await Command.RunAsync(Command.Of("chown", "4711", socket), TimeSpan.FromSeconds(10), Cancellation)).Succeeded.ShouldBeTrue();

        (await FailAsync(options => options with { DataFolder = longFolder })).ShouldStartWith("MST1118");

        Directory.Delete(socket);
    }
}
