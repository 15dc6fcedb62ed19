using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Benchmarks;

/// <summary>
/// The limit: a table and statements for exactly these jobs. Two connections each end what they have run, with a row of history, and claim the next 500, in one
/// statement. Jobs with an effect are ended one by one on 16 connections, each in the commit of its effect. No leases, no retries, no order between jobs.
/// </summary>
internal sealed class RawJobs(string connectionString) : IJobQueue
{
    private const int Claimers = 2, BatchSize = 500, Workers = 16;

    private const string Tables = """
        create table if not exists raw_jobs (
            id bigint generated always as identity primary key, state smallint not null default 0, fence integer not null default 0, kind smallint not null, payload json not null, created_at timestamptz not null default now()
        ) with (fillfactor = 70);
        create index if not exists raw_jobs_ready_idx on raw_jobs (id) where state = 0;
        create table if not exists raw_jobs_done (id bigint not null, created_at timestamptz not null, done_at timestamptz not null);
        """;

    private const string Add = "insert into raw_jobs (kind, payload) values ($1, $2::json)";

    private const string Turn = """
        with finished as (
            delete from raw_jobs where id = any($1) returning id, created_at
        ), history as (
            insert into raw_jobs_done select id, created_at, now() from finished
        )
        update raw_jobs set state = 1, fence = fence + 1
        where ctid = any(array(select ctid from raw_jobs where state = 0 order by id limit $2 for update skip locked)) and state = 0
        returning id, fence, kind, payload
        """;

    private const string End = """
        with finished as (
            delete from raw_jobs where id = $1 and fence = $2 and state = 1 returning id, created_at
        )
        insert into raw_jobs_done select id, created_at, now() from finished
        """;

    private readonly NpgsqlDataSource _source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString)
    {
        MaxPoolSize = Claimers + Workers, MaxAutoPrepare = 32, AutoPrepareMinUsages = 2, NoResetOnClose = true, Enlist = false,
    });

    public async Task StartAsync()
    {
        await using var tables = _source.CreateCommand(Tables);
        await tables.ExecuteNonQueryAsync();
    }

    public async Task FillAsync(JobKind kind, int count)
    {
        await using var connection = await _source.OpenConnectionAsync();
        await using var copy = await connection.BeginBinaryImportAsync("copy raw_jobs (kind, payload) from stdin (format binary)");
        for (var i = 0; i < count; i++)
        {
            await copy.StartRowAsync();
            await copy.WriteAsync((short)kind, NpgsqlDbType.Smallint);
            await copy.WriteAsync("""{"dueAt":0}""", NpgsqlDbType.Json);
        }
        await copy.CompleteAsync();
    }

    public async Task AddAsync(long dueAt, TimeSpan? after)
    {
        if (after is not null)
            throw new NotSupportedException("These statements know no delay.");
        await using var command = _source.CreateCommand(Add);
        command.Parameters.Add(new NpgsqlParameter<short> { TypedValue = (short)JobKind.Bare });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = $$"""{"dueAt":{{dueAt}}}""" });
        await command.ExecuteNonQueryAsync();
    }

    public Task<IAsyncDisposable> WorkAsync(JobsSeen seen, int? atMost)
    {
        if (atMost is not null)
            throw new NotSupportedException("These statements know no limit.");
        var stopping = new CancellationTokenSource();
        return Task.FromResult<IAsyncDisposable>(new Work(stopping, [.. Enumerable.Range(0, Claimers).Select(_ => Task.Run(() => ClaimAsync(seen, stopping.Token)))]));
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    private async Task ClaimAsync(JobsSeen seen, CancellationToken stopping)
    {
        await using var connection = await _source.OpenConnectionAsync(CancellationToken.None);
        await using var turn = new NpgsqlCommand(Turn, connection);
        var finished = new NpgsqlParameter<long[]> { TypedValue = [] };
        turn.Parameters.Add(finished);
        var most = new NpgsqlParameter<int> { TypedValue = BatchSize };
        turn.Parameters.Add(most);
        while (true)
        {
            // What has been run is ended before it stops, and nothing more is claimed.
            most.TypedValue = stopping.IsCancellationRequested ? 0 : BatchSize;
            var claimed = new List<(long Id, int Fence, JobKind Kind, string Payload)>();
            await using (var reader = await turn.ExecuteReaderAsync(CancellationToken.None))
                while (await reader.ReadAsync(CancellationToken.None))
                    claimed.Add((reader.GetInt64(0), reader.GetInt32(1), (JobKind)reader.GetInt16(2), reader.GetString(3)));
            if (claimed.Count == 0 && most.TypedValue == 0)
                return;
            foreach (var _ in claimed.Where(job => job.Kind == JobKind.Bare))
                seen.Add(0);
            await Parallel.ForEachAsync(claimed.Where(job => job.Kind == JobKind.Effect), new ParallelOptions { MaxDegreeOfParallelism = Workers / Claimers, CancellationToken = CancellationToken.None }, async (job, _) =>
            {
                await RunAsync(job.Id, job.Fence);
                seen.Add(0);
            });
            finished.TypedValue = [.. claimed.Where(job => job.Kind == JobKind.Bare).Select(job => job.Id)];
            if (claimed.Count == 0)
                await Task.Delay(10, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Effect and end in one round trip and one commit.</summary>
    private async Task RunAsync(long id, int fence)
    {
        await using var batch = _source.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand("insert into effects (due_at) values ($1)") { Parameters = { new NpgsqlParameter<long> { TypedValue = 0 } } });
        batch.BatchCommands.Add(new NpgsqlBatchCommand(End) { Parameters = { new NpgsqlParameter<long> { TypedValue = id }, new NpgsqlParameter<int> { TypedValue = fence } } });
        await batch.ExecuteNonQueryAsync();
    }

    private sealed class Work(CancellationTokenSource stopping, Task[] claimers) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await stopping.CancelAsync();
            await Task.WhenAll(claimers);
            stopping.Dispose();
        }
    }
}
