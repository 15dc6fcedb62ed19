using System.Globalization;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

public sealed class EmbeddedServerTests : ServerTest
{
    [Fact]
    public async Task A_fresh_folder_becomes_a_database_that_the_application_owns_and_does_not_rule()
    {
        List<string> progress = [];

        await using var server = await StartAsync(options => options with { Name = "My Shop", Progress = progress.Add });

        server.Started.ShouldBeTrue();
        progress.ShouldContain("Creating the database cluster …");
        (await AskAsync(server.ConnectionString, "create table t (id int); select current_user || ' ' || current_database()")).ShouldBe("mainstay my_shop");
        (await AskAsync(server.ConnectionString, "select rolsuper or rolcreatedb or rolcreaterole from pg_roles where rolname = current_user")).ShouldBe("False");
        (await AskAsync(server.AdministratorConnectionString, "select rolsuper from pg_roles where rolname = current_user")).ShouldBe("True");
        server.Version.ShouldBe((await AskAsync(server.ConnectionString, "show server_version")).Split(' ')[0]);
    }

    [Fact]
    public async Task The_server_is_durable_deterministic_and_never_on_the_network()
    {
        await using var server = await StartAsync();

        async Task<string> SettingAsync(string name) => await AskAsync(server.AdministratorConnectionString, $"select current_setting('{name}')");
        (await SettingAsync("listen_addresses")).ShouldBe("");
        (await SettingAsync("fsync")).ShouldBe("on");
        (await SettingAsync("synchronous_commit")).ShouldBe("on");
        (await SettingAsync("full_page_writes")).ShouldBe("on");
        (await SettingAsync("data_checksums")).ShouldBe("on");
        (await SettingAsync("server_encoding")).ShouldBe("UTF8");
        (await SettingAsync("TimeZone")).ShouldBe("UTC");
        (await SettingAsync("random_page_cost")).ShouldBe("1.1");
        (await AskAsync(server.ConnectionString, "select string_agg(x, '' order by x) from unnest(array['b', 'A', 'a', 'B', 'ä']) x")).ShouldBe("ABabä");
        (await AskAsync(server.ConnectionString, "select upper('straße ä')")).ShouldBe("STRASSE Ä".Replace("SS", "ß", StringComparison.Ordinal));
        (await AskAsync(server.AdministratorConnectionString, "select string_agg(concat_ws(' ', type, database, user_name, auth_method), ', ') from pg_hba_file_rules"))
            .ShouldBe("local {all} {all} scram-sha-256");
    }

    [Fact]
    public async Task Only_the_right_password_opens_the_socket()
    {
        await using var server = await StartAsync();

        var wrong = new NpgsqlConnectionStringBuilder(server.ConnectionString) { Password = "wrong" }.ConnectionString;

        (await Should.ThrowAsync<PostgresException>(() => AskAsync(wrong, "select 1"))).SqlState.ShouldBe("28P01");
    }

    [Fact]
    public async Task Nothing_in_the_folder_is_open_to_others_and_nothing_gets_into_version_control()
    {
        await using var server = await StartAsync();

        const UnixFileMode ownerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        File.GetUnixFileMode(Path.Combine(Postgres, "cluster")).ShouldBe(ownerOnly);
        File.GetUnixFileMode(Path.Combine(Postgres, "run")).ShouldBe(ownerOnly);
        File.GetUnixFileMode(Path.Combine(Postgres, "log")).ShouldBe(ownerOnly);
        File.GetUnixFileMode(Path.Combine(Postgres, "passwords")).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        (await File.ReadAllTextAsync(Path.Combine(DataFolder, ".gitignore"), Cancellation)).ShouldBe("*\n");
        (await ServerAccount.OwnerOfAsync(Path.Combine(Postgres, "cluster"), Cancellation)).ShouldNotBe(0u);
    }

    [Fact]
    public async Task Ctrl_C_reaches_only_the_application_because_the_server_has_its_own_session()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads the session from /proc.");
        await using var server = await StartAsync();

        Session("self").ShouldNotBe(Session($"{server.ProcessId}"));

        static string Session(string process) => File.ReadAllText($"/proc/{process}/stat") is var stat ? stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[3] : "";
    }

    [Fact]
    public async Task The_server_sees_nothing_of_the_applications_environment()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads the environment from /proc.");
        await using var server = await StartAsync();

        // The server itself may read its environment, whoever it runs as.
        await using var connection = new NpgsqlConnection(server.AdministratorConnectionString);
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand($"select pg_read_binary_file('/proc/{server.ProcessId}/environ', 0, 100000)", connection);
        var environment = System.Text.Encoding.UTF8.GetString((byte[])(await command.ExecuteScalarAsync(Cancellation))!);
        var names = environment.Split('\0', StringSplitOptions.RemoveEmptyEntries).Select(entry => entry.Split('=')[0]);

        names.ShouldBeSubsetOf(["PATH", "PGDATA", "LC_ALL", "PG_GRANDPARENT_PID", "PWD", "SHLVL", "_", "OLDPWD", "PGSYSCONFDIR", "PGLOCALEDIR", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME"]);
    }

    [Fact]
    public async Task Data_outlives_a_stop()
    {
        int first;
        await using (var server = await StartAsync())
        {
            first = server.ProcessId;
            await AskAsync(server.ConnectionString, "create table kept (id int); insert into kept values (7)");
        }
        IsAlive(first).ShouldBeFalse();

        await using var again = await StartAsync();

        (await AskAsync(again.ConnectionString, "select id from kept")).ShouldBe("7");
    }

    [Fact]
    public async Task Another_database_name_gets_another_database()
    {
        await using (await StartAsync(options => options with { Database = "first" })) { }

        await using var server = await StartAsync(options => options with { Database = "second" });

        (await AskAsync(server.ConnectionString, "select current_database()")).ShouldBe("second");
    }

    [Fact]
    public async Task A_second_process_uses_the_same_server_and_the_last_one_out_stops_it()
    {
        var first = await StartAsync();
        using var other = new OtherProcess(DataFolder);

        (await other.LineAsync("ready")).ShouldBe($"ready {first.ProcessId} False {first.Version}");
        await first.DisposeAsync();
        IsAlive(first.ProcessId).ShouldBeTrue();
        await other.EndAsync();

        IsAlive(first.ProcessId).ShouldBeFalse();
    }

    [Fact]
    public async Task Two_processes_that_start_at_once_on_an_empty_folder_share_one_server()
    {
        using var one = new OtherProcess(DataFolder);
        using var two = new OtherProcess(DataFolder);

        string[] lines = [await one.LineAsync("ready"), await two.LineAsync("ready")];

        lines.Select(line => line.Split(' ')[1]).Distinct().Count().ShouldBe(1, string.Join('\n', lines));
        lines.Count(line => line.Contains("True", StringComparison.Ordinal)).ShouldBe(1);
        await one.EndAsync();
        await two.EndAsync();
    }

    [Fact]
    public async Task The_server_of_a_killed_process_is_found_and_used_again()
    {
        using var killed = new OtherProcess(DataFolder);
        var processId = int.Parse((await killed.LineAsync("ready")).Split(' ')[1], CultureInfo.InvariantCulture);
        await killed.KillAsync();
        IsAlive(processId).ShouldBeTrue();

        var server = await StartAsync();

        server.Started.ShouldBeFalse();
        server.ProcessId.ShouldBe(processId);
        await server.DisposeAsync();
        IsAlive(processId).ShouldBeFalse();
    }

    [Fact]
    public async Task A_process_killed_while_it_makes_the_cluster_leaves_nothing_in_the_way()
    {
        var data = "";
        EmbeddedServerOptions There(EmbeddedServerOptions options) => options with { DataFolder = data };
        string[] drafts = [];
        for (var round = 0; round < 10 && drafts.Length == 0; round++)
        {
            data = Folder.In($"{round}", ".mainstay");
            using var killed = new OtherProcess(data);
            await killed.LineAsync("Creating");
            await UntilAsync(() => Task.FromResult(Directory.GetDirectories(Path.Combine(data, "postgres"), "cluster*").Length > 0));
            await killed.KillAsync();
            drafts = Directory.GetDirectories(Path.Combine(data, "postgres"), "cluster.draft-*");
            // Killed too late, because nothing holds it up there: once more.
            if (drafts.Length == 0)
                await using (await StartAsync(There)) { }
        }
        drafts.ShouldNotBeEmpty();
        Directory.Exists(Path.Combine(data, "postgres", "cluster")).ShouldBeFalse();

        await using var server = await StartAsync(There);

        (await AskAsync(server.ConnectionString, "select 1")).ShouldBe("1");
    }

    [Fact]
    public async Task A_killed_server_is_started_again_on_demand_and_the_connection_string_stays_valid()
    {
        await using var server = await StartAsync();
        var connection = server.ConnectionString;
        await AskAsync(connection, "create table kept (id int); insert into kept values (7)");
        await KillAsync(server.ProcessId);

        await server.EnsureRunningAsync(Cancellation);

        server.ConnectionString.ShouldBe(connection);
        (await AskAsync(connection, "select id from kept")).ShouldBe("7");
    }

    [Fact]
    public async Task A_server_that_is_just_dying_is_not_taken_for_a_stranger()
    {
        for (var round = 0; round < 5; round++)
        {
            await using var server = await StartAsync();
            var postmaster = Postmaster.Read(Path.Combine(Postgres, "cluster"))!;
            var watching = Task.Run(() =>
            {
                HashSet<ProcessIdentity> seen = [];
                while (seen.Add(postmaster.Identify()) | !seen.Overlaps([ProcessIdentity.Gone, ProcessIdentity.Defunct])) Cancellation.ThrowIfCancellationRequested();
                return seen;
            }, Cancellation);

            await KillAsync(server.ProcessId);

            (await watching).ShouldNotContain(ProcessIdentity.Foreign);
        }
    }

    [Fact]
    public async Task A_killed_server_is_noticed_without_anybody_asking()
    {
        await using var server = await StartAsync(options => options with { CheckInterval = TimeSpan.FromMilliseconds(20) });
        var first = server.ProcessId;
        await KillAsync(first);

        await UntilAsync(() => Task.FromResult(server.ProcessId != first));

        (await AskAsync(server.ConnectionString, "select 1")).ShouldBe("1");
    }

    [Fact]
    public async Task A_backend_busy_when_its_server_was_killed_does_not_keep_the_next_one_from_starting()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Orphans are ended on Linux.");
        await using var server = await StartAsync();
        await using var connection = new NpgsqlConnection(server.ConnectionString);
        await connection.OpenAsync(Cancellation);
        await using var busy = new NpgsqlCommand("select sum(i) from generate_series(1, 10000000000) i", connection) { CommandTimeout = 0 };
        var running = busy.ExecuteScalarAsync(Cancellation);
        await UntilAsync(async () => await AskAsync(server.AdministratorConnectionString, "select count(*) from pg_stat_activity where query like 'select sum%' and state = 'active'") == "1");
        await KillAsync(server.ProcessId);

        await server.EnsureRunningAsync(Cancellation);

        (await AskAsync(server.ConnectionString, "select 1")).ShouldBe("1");
        await Should.ThrowAsync<NpgsqlException>(() => running);
    }

    [Fact]
    public async Task A_killed_backend_costs_a_connection_and_not_the_server()
    {
        await using var server = await StartAsync();
        await using var connection = new NpgsqlConnection(server.ConnectionString);
        await connection.OpenAsync(Cancellation);
        await KillAsync(connection.ProcessID);

        await UntilAsync(async () =>
        {
            try
            {
                return await AskAsync(server.ConnectionString, "select 1") == "1";
            }
            catch (NpgsqlException)
            {
                return false;
            }
        });

        IsAlive(server.ProcessId).ShouldBeTrue();
    }

    [Fact]
    public async Task A_server_that_recovers_from_a_killed_process_stops_without_delay()
    {
        for (var round = 0; round < 4; round++)
        {
            var server = await StartAsync(options => options with { StopTimeout = TimeSpan.FromMinutes(2) });
            await AskAsync(server.ConnectionString, "create table if not exists t (x text); insert into t select repeat('x', 100) from generate_series(1, 20000)");
            var ready = (await File.ReadAllTextAsync(Path.Combine(Postgres, "log", "server.log"), Cancellation)).Length;
            var writer = "";
            await UntilAsync(async () => (writer = await AskAsync(server.AdministratorConnectionString, "select pid from pg_stat_activity where backend_type = 'background writer'")).Length > 0);
            await KillAsync(int.Parse(writer, CultureInfo.InvariantCulture));
            await UntilAsync(async () => (await File.ReadAllTextAsync(Path.Combine(Postgres, "log", "server.log"), Cancellation))[ready..].Contains("reinitializing", StringComparison.Ordinal));

            var began = TimeProvider.System.GetTimestamp();
            await server.DisposeAsync();

            // A fast stop that hangs would take all the time that it is given.
            TimeProvider.System.GetElapsedTime(began).ShouldBeLessThan(TimeSpan.FromMinutes(1));
        }
    }

    [Fact]
    public async Task A_backend_that_does_not_listen_cannot_hold_up_the_stop()
    {
        var server = await StartAsync(options => options with { StopTimeout = TimeSpan.FromSeconds(1) });
        await using var connection = new NpgsqlConnection(server.ConnectionString);
        await connection.OpenAsync(Cancellation);
        (await Command.RunAsync(Command.Of("kill", "-STOP", $"{connection.ProcessID}"), TimeSpan.FromSeconds(10), Cancellation)).Succeeded.ShouldBeTrue();

        await server.DisposeAsync();

        // On a busy machine an immediate stop may take longer than it is waited for.
        await UntilAsync(() => Task.FromResult(!IsAlive(server.ProcessId)));
    }

    [Fact]
    public async Task The_log_of_the_server_stays_small()
    {
        await using var server = await StartAsync();
        var log = Path.Combine(Postgres, "log", "server.log");
        await File.AppendAllTextAsync(log, new string('x', 17 * 1024 * 1024), Cancellation);

        await server.EnsureRunningAsync(Cancellation);

        new FileInfo(log).Length.ShouldBeLessThan(1024 * 1024);
        new FileInfo(log + ".1").Length.ShouldBe(4 * 1024 * 1024);
    }

    [Fact]
    public async Task Data_that_vanishes_under_a_running_application_does_not_become_an_empty_database()
    {
        var server = await StartAsync();
        await KillAsync(server.ProcessId);
        Directory.Move(Path.Combine(Postgres, "cluster"), Path.Combine(Postgres, "moved"));

        (await Should.ThrowAsync<ConfigurationException>(() => server.EnsureRunningAsync(Cancellation))).Message.ShouldContain("MST1113");

        Directory.Exists(Path.Combine(Postgres, "cluster")).ShouldBeFalse();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task A_folder_with_a_long_and_odd_name_works_and_its_socket_moves_to_a_short_one()
    {
        var odd = Path.Combine(Folder.Path, "it's a \"folder\" $HOME `x` \\ ä", new string('x', 90));

        var server = await StartAsync(options => options with { DataFolder = odd });

        (await AskAsync(server.ConnectionString, "select 1")).ShouldBe("1");
        var socket = new NpgsqlConnectionStringBuilder(server.ConnectionString).Host!;
        socket.Length.ShouldBeLessThan(60);
        File.GetUnixFileMode(socket).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await server.DisposeAsync();
        Directory.Delete(socket);
    }

    [Fact]
    public async Task An_application_of_root_in_a_closed_folder_has_its_data_where_the_account_can_go()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root runs PostgreSQL as another account.");
        var closed = Directory.CreateDirectory(Folder.In("closed"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        List<string> progress = [];

        string elsewhere;
        await using (var server = await StartAsync(options => options with { DataFolder = Path.Combine(closed.FullName, ".mainstay"), Progress = progress.Add }))
            elsewhere = Path.GetDirectoryName(new NpgsqlConnectionStringBuilder(server.ConnectionString).Host)!;

        elsewhere.ShouldStartWith("/var/lib/mainstay/tests-");
        progress.ShouldContain(line => line.Contains(elsewhere, StringComparison.Ordinal));
        (await File.ReadAllTextAsync(Path.Combine(closed.FullName, ".mainstay", "postgres-is-elsewhere.txt"), Cancellation)).ShouldContain(elsewhere);
        Directory.Delete(elsewhere, recursive: true);
    }
}
