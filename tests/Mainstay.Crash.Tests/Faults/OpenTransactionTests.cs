using Npgsql;

namespace Mainstay.Tests;

/// <summary>F4, F5, F6, F57: transactions of others that end late, in another order, or not at all.</summary>
public sealed class OpenTransactionTests(SharedServer server)
{
    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task Jobs_that_are_committed_in_another_order_than_written_are_all_done()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.StartAsync();
        await using var connection = await scene.Source.OpenConnectionAsync(Stop);
        await using var early = await connection.BeginTransactionAsync(Stop);
        await SendAsync(connection, "early");
        for (var i = 0; i < 200; i++)
            await scene.SendAsync("write", $"late-{i}");
        await scene.UntilEmptyAsync();

        await early.CommitAsync(Stop);

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("early")).ShouldBe("done 1");
        await scene.VerifyAsync();
    }

    [Fact]
    public async Task A_transaction_that_never_ends_keeps_back_its_own_job_only_and_a_rollback_leaves_none()
    {
        await using var scene = await Scene.CreateAsync(server);
        await scene.StartAsync();
        await using (var connection = await scene.Source.OpenConnectionAsync(Stop))
        {
            await using var endless = await connection.BeginTransactionAsync(Stop);
            await SendAsync(connection, "endless");
            for (var i = 0; i < 200; i++)
                await scene.SendAsync("write", $"job-{i}");

            await scene.UntilEmptyAsync();
            (await scene.ScalarAsync<long>("select count(*) from mainstay.jobs_done where attempt = 1")).ShouldBe(200);
            await endless.RollbackAsync(Stop);
        }

        await scene.SendAsync("write", "afterwards");
        await scene.UntilEmptyAsync();
        (await scene.ScalarAsync<long>("select count(*) from effects")).ShouldBe(201);
        await scene.VerifyAsync();
    }

    /// <summary>Tables of the history can neither be made nor dropped while somebody reads it, and who waits for that must not make everybody else wait.</summary>
    [Fact]
    public async Task Somebody_who_reads_the_history_holds_up_no_node()
    {
        await using var scene = await Scene.CreateAsync(server);
        await using var connection = await scene.Source.OpenConnectionAsync(Stop);
        await scene.ExecuteAsync("do $$ begin execute (select coalesce(string_agg('drop table ' || child.oid::regclass, ';'), 'select') from pg_inherits join pg_class child on child.oid = inhrelid where inhparent = 'mainstay.jobs_done'::regclass and relname <> 'jobs_done_default'); end $$");
        await using var report = await connection.BeginTransactionAsync(Stop);
        await using (var read = new NpgsqlCommand("select count(*) from mainstay.jobs_done", connection, report))
            await read.ExecuteScalarAsync(Stop);

        await scene.StartAsync();
        await scene.SendAsync("write", "job");

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("job")).ShouldBe("done 1");
        await scene.VerifyAsync();
    }

    private static async Task SendAsync(NpgsqlConnection connection, string key)
    {
        await using var command = new NpgsqlCommand($$"""insert into sent (id, key) values (mainstay.enqueue('write', '{"key":"{{key}}","does":""}'), '{{key}}')""", connection);
        await command.ExecuteNonQueryAsync(Stop);
    }
}
