namespace Mainstay.Tests;

/// <summary>
/// Reads that wait share statements. A lock on the table holds the first ones, so that the others have to wait for each other, and letting it go is what makes
/// them one statement.
/// </summary>
public sealed class CoalescingTests : IClassFixture<SpecimenFixture>
{
    private readonly SpecimenFixture _specimens;

    public CoalescingTests(SpecimenFixture specimens)
    {
        _specimens = specimens;
        // Those that wait shall wait for as long as the table is locked, and share a statement although the lock made them slow.
        (Backend.Running.Services.Reads.Patience, Backend.Running.Services.Reads.Learns) = (TimeSpan.FromMinutes(5), false);
    }

    private TestBackend Backend => _specimens.Backend;

    private int Waiting => Backend.Running.Services.Reads.WaitingCount;

    [Fact]
    public async Task Reads_that_share_statements_find_what_they_find_alone()
    {
        var batch = SpecimenFixture.NextBatch();
        var ids = await FillAsync(batch, 30);
        var cursor = (await _specimens.Staff.GetAsync($"/v1/specimens?batch={batch}&sort=price&pageSize=4")).Expect(200).Meta.GetProperty("nextCursor").GetString();
        string[] paths =
        [
            .. ids.Select(id => $"/v1/specimens/{id}"),
            "/v1/specimens/specimen_00000000000000000000000000",
            .. ids.Take(6).Select(id => $"/v1/specimens/{id}?fields=name,price"),
            .. Enumerable.Range(0, 12).Select(i => $"/v1/specimens?batch={batch}&price.gte={i % 3}&sort=price&pageSize=4"),
            .. Enumerable.Range(0, 12).Select(i => $"/v1/specimens?batch={batch}&price.lt={i % 4}&sort=-price&pageSize=3"),
            .. Enumerable.Range(0, 8).Select(i => $"/v1/specimens?batch={batch}&sort=-nickname&pageSize={3 + (i % 2)}"),
            .. Enumerable.Range(0, 8).Select(i => $"/v1/specimens?batch={batch}&search=tea"),
            .. Enumerable.Range(0, 4).Select(_ => $"/v1/specimens?batch={batch}&name.in=a,b,ab"),
        ];
        Caller[] callers = [_specimens.Staff, Backend.User("owner-1"), Backend.User("owner-2"), Backend.User("owner-3")];
        var reads = callers.SelectMany(caller => paths.Select(path => (Caller: caller, Path: path)))
            .Concat(Enumerable.Range(0, 6).Select(_ => (Caller: _specimens.Staff, Path: $"/v1/specimens?batch={batch}&sort=price&pageSize=4&cursor={cursor}"))).ToArray();
        var alone = new List<Reply>();
        foreach (var (caller, path) in reads)
            alone.Add(await caller.GetAsync(path));

        var together = await HeldAsync(reads, waiting: reads.Length / 2);

        for (var i = 0; i < reads.Length; i++)
        {
            together[i].Status.ShouldBe(alone[i].Status, reads[i].Path);
            if (alone[i].Status == 200)
            {
                together[i].Text.ShouldBe(alone[i].Text, reads[i].Path);
                together[i].ETag.ShouldBe(alone[i].ETag, reads[i].Path);
            }
        }
        alone.Count(reply => reply.Status == 404).ShouldBeGreaterThan(60); // foreign rows were hidden from owners, in both
    }

    [Fact]
    public async Task A_shared_statement_that_fails_fails_none_of_its_reads()
    {
        var ids = await FillAsync(SpecimenFixture.NextBatch(), 12);
        var reads = Enumerable.Range(0, 40).Select(i => (_specimens.Staff, $"/v1/specimens/{ids[i % ids.Count]}")).ToArray();

        // Those that were held run next to each other; what follows them is the shared statement, which finds its table locked again and its connection ended.
        await using var second = await Backend.ConnectAsync();
        var replies = await HeldAsync(reads, waiting: 30, async () =>
        {
            // Whatever comes to the table after the second lock is the shared statement then.
            await Mainstay.Tests.Waiting.UntilAsync(async () =>
                Waiting + await Backend.ScalarAsync<long>("select count(*) from pg_locks where relation = 'specimens'::regclass and not granted") == reads.Length);
            await ExecuteAsync(second, "begin");
            var locked = LockAsync(second);
            await Backend.UntilAsync("select count(*) = 1 from pg_locks where relation = 'specimens'::regclass and mode = 'AccessExclusiveLock' and not granted");
            return async () =>
            {
                await locked;
                await Backend.UntilAsync("select exists (select from pg_stat_activity where datname = current_database() and query like 'select r.*%' and wait_event_type = 'Lock')");
                await Backend.ExecuteAsync("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'select r.*%' and wait_event_type = 'Lock'");
                await ExecuteAsync(second, "rollback");
            };
        });

        replies.ShouldAllBe(reply => reply.Status == 200);
    }

    [Fact]
    public async Task A_caller_that_goes_away_takes_nothing_from_the_others()
    {
        var ids = await FillAsync(SpecimenFixture.NextBatch(), 12);
        using var leaving = new CancellationTokenSource();
        var reads = Enumerable.Range(0, 30).Select(i => (_specimens.Staff, $"/v1/specimens/{ids[i % ids.Count]}")).ToArray();
        var before = Waiting;
        Task<HttpResponseMessage>[] gone = [];

        var replies = await HeldAsync(reads, waiting: 20, () =>
        {
            gone = [.. ids.Select(id => Backend.Http.SendAsync(Request($"/v1/specimens/{id}"), leaving.Token))];
            return Task.FromResult<Func<Task>?>(null);
        }, async () =>
        {
            await Mainstay.Tests.Waiting.UntilAsync(() => Task.FromResult(Waiting >= before + 30));
            await leaving.CancelAsync();
            foreach (var request in gone)
                await Should.ThrowAsync<OperationCanceledException>(request);
        });

        replies.ShouldAllBe(reply => reply.Status == 200);
        for (var i = 0; i < reads.Length; i++)
            replies[i].Id.ShouldBe(ids[i % ids.Count]);
    }

    [Fact]
    public async Task Many_reads_at_once_are_fewer_statements_and_none_is_left_waiting()
    {
        var ids = await FillAsync(SpecimenFixture.NextBatch(), 12);
        var reads = Enumerable.Range(0, 200).Select(i => (_specimens.Staff, $"/v1/specimens/{ids[i % ids.Count]}")).ToArray();
        var shared = 0;
        using var listener = new System.Diagnostics.Metrics.MeterListener();
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (instrument.Name == "mainstay.reads.batch_size")
                it.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<int>((_, size, _, _) => Interlocked.Add(ref shared, size > 1 ? size : 0));
        listener.Start();

        var replies = await HeldAsync(reads, waiting: 190);

        replies.ShouldAllBe(reply => reply.Status == 200);
        shared.ShouldBeGreaterThan(100);
        Waiting.ShouldBe(0);
    }

    private HttpRequestMessage Request(string path)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("Authorization", "Test sam;staff");
        return request;
    }

    /// <summary>Starts reads while the table is locked, and lets it go once so many of them wait for each other.</summary>
    private async Task<Reply[]> HeldAsync((Caller Caller, string Path)[] reads, int waiting, Func<Task<Func<Task>?>>? whileHeld = null, Func<Task>? beforeRelease = null)
    {
        await using var connection = await Backend.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await LockAsync(connection);
        var replies = reads.Select(read => read.Caller.GetAsync(read.Path)).ToArray();
        await Mainstay.Tests.Waiting.UntilAsync(() => Task.FromResult(Waiting >= waiting));
        var afterwards = whileHeld is null ? null : await whileHeld();
        if (beforeRelease is not null)
            await beforeRelease();
        await transaction.RollbackAsync();
        if (afterwards is not null)
            await afterwards();
        return await Task.WhenAll(replies);
    }

    private static Task LockAsync(Npgsql.NpgsqlConnection connection) => ExecuteAsync(connection, "lock table specimens in access exclusive mode");

    private static async Task ExecuteAsync(Npgsql.NpgsqlConnection connection, string sql)
    {
        await using var command = new Npgsql.NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    private Task<List<string>> FillAsync(int batch, int count) => _specimens.InsertAsync(new Random(batch), batch, count);
}
