using System.Security.Cryptography;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// The keys that sign cursors, kept in the database and shared by all nodes:
/// <code>
/// made ──1 day──► signs ──30 days──► verifies ──7 days──► removed
///                 the next one is made a day before it begins
/// </code>
/// Nodes read the keys every hour, so each of them knows a key long before any signs with it. A cursor is good for at least seven days.
/// Ages are those of the database's clock; whichever node comes first makes and removes, and the others find it done.
/// </summary>
internal sealed class SharedKeys(Database database, TimeProvider clock)
{
    public static readonly TimeSpan Signs = TimeSpan.FromDays(30);
    public static readonly TimeSpan AnnouncedBefore = TimeSpan.FromDays(1);
    public static readonly TimeSpan VerifiesAfter = TimeSpan.FromDays(7);

    /// <summary>Least time between two looks for an unknown key, however many cursors name one.</summary>
    public static readonly TimeSpan LookPause = TimeSpan.FromSeconds(10);

    private const string Name = "cursor";

    private readonly Lock _gate = new();
    private CursorCodec? _codec;
    private Task _look = Task.CompletedTask;
    private long? _lookedAt;

    public Database Database => database;

    /// <summary>Signs and verifies with the newest keys that this node has read. Known after the first <see cref="RenewAsync"/>.</summary>
    public CursorCodec Cursors => _codec ?? throw new InvalidOperationException("The keys have not been read yet.");

    /// <summary>Makes the next key when it is time, removes those that have ended, and reads the rest.</summary>
    /// <returns><see cref="Cursors"/>.</returns>
    public async Task<CursorCodec> RenewAsync(CancellationToken cancellation)
    {
        await using var batch = database.Source.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand("""
            insert into mainstay.keys (name, id, value, starts_at)
            select $1, coalesce(max(id), 0) + 1, $2, case when max(id) is null then mainstay.now() else greatest(max(starts_at) + $3, mainstay.now() + $4) end
            from mainstay.keys where name = $1
            having max(id) is null or max(starts_at) + $3 - $4 <= mainstay.now()
            on conflict (name, id) do nothing
            """)
        {
            Parameters = { Text(Name), new NpgsqlParameter<byte[]> { TypedValue = RandomNumberGenerator.GetBytes(32) }, Interval(Signs), Interval(AnnouncedBefore) },
        });
        batch.BatchCommands.Add(new NpgsqlBatchCommand("""
            delete from mainstay.keys ended using mainstay.keys next
            where ended.name = $1 and next.name = $1 and next.id = ended.id + 1 and next.starts_at + $2 <= mainstay.now()
            """) { Parameters = { Text(Name), Interval(VerifiesAfter) } });
        // Two nodes at once: the loser's insert waited and did nothing; this statement's snapshot sees the winner's row.
        batch.BatchCommands.Add(Read());
        return await ReadAsync(batch, cancellation);
    }

    /// <summary>
    /// Looks once for keys that this node has not read yet. Callers that come while somebody looks wait for the same answer, and those that come
    /// soon after get none: forged ids must not become queries.
    /// </summary>
    public Task LookAsync(CancellationToken cancellation)
    {
        lock (_gate)
        {
            if (_look.IsCompleted && (_lookedAt is not { } at || clock.GetElapsedTime(at) >= LookPause))
            {
                _lookedAt = clock.GetTimestamp();
                // It is everybody's, so no caller's end may cancel it.
                _look = LookOnceAsync();
            }
            return _look.WaitAsync(cancellation);
        }
    }

    private async Task LookOnceAsync()
    {
        await using var batch = database.Source.CreateBatch();
        batch.Timeout = 5;
        batch.BatchCommands.Add(Read());
        await ReadAsync(batch, CancellationToken.None);
    }

    private static NpgsqlBatchCommand Read() =>
        new("select id, value, extract(epoch from starts_at - mainstay.now())::double precision from mainstay.keys where name = $1 order by id") { Parameters = { Text(Name) } };

    private async Task<CursorCodec> ReadAsync(NpgsqlBatch batch, CancellationToken cancellation)
    {
        var keys = new List<CursorKey>();
        await using (var reader = await batch.ExecuteReaderAsync(cancellation))
            while (await reader.ReadAsync(cancellation))
                keys.Add(new CursorKey(reader.GetInt32(0), reader.GetFieldValue<byte[]>(1), clock.GetUtcNow() + TimeSpan.FromSeconds(reader.GetDouble(2))));
        _codec ??= new CursorCodec(new CursorKeys(keys), clock);
        _codec.Keys = new CursorKeys(keys);
        return _codec;
    }

    private static NpgsqlParameter<string> Text(string value) => new() { TypedValue = value };

    private static NpgsqlParameter<TimeSpan> Interval(TimeSpan value) => new() { TypedValue = value };
}
