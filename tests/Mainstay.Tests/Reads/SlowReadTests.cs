using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Reads that take long hold up others of their text for a moment only.</summary>
public sealed class SlowReadTests(SpecimenFixture specimens) : IClassFixture<SpecimenFixture>
{
    private Reads Reads => specimens.Backend.Running.Services.Reads;

    [Fact]
    public async Task A_read_is_not_held_up_by_slow_ones_of_its_text()
    {
        using var ends = new CancellationTokenSource();
        // As many as run side by side. One more would wait, and could share a statement with the one that is not slow.
        var slow = Enumerable.Range(0, Math.Max(2, Environment.ProcessorCount)).Select(_ => ReadAsync(60, ends.Token)).ToArray();
        await specimens.Backend.UntilAsync($"select count(*) = {slow.Length} from pg_stat_activity where datname = current_database() and query like '%pg_sleep($1)%' and wait_event = 'PgSleep'");

        (await ReadAsync(0, TestContext.Current.CancellationToken)).ShouldBe(1);

        slow.ShouldAllBe(read => !read.IsCompleted);
        await ends.CancelAsync();
        foreach (var read in slow)
            await Should.ThrowAsync<OperationCanceledException>(read);
    }

    private async Task<int> ReadAsync(double seconds, CancellationToken cancellation)
    {
        var rows = new Rows();
        await Reads.RunAsync(new ReadStatement("select 1 as one from pg_sleep($1)", [new NpgsqlParameter<double> { TypedValue = seconds }]), rows, Deadline.After(TimeSpan.FromMinutes(10), TimeProvider.System), cancellation);
        return rows.Count;
    }

    private sealed class Rows : RowSink
    {
        public int Count { get; private set; }

        public override void Add(NpgsqlDataReader reader) => Count++;

        public override bool IsLike(RowSink other) => false;

        public override void Copy(RowSink other)
        {
        }

        public override void Clear() => Count = 0;
    }
}
