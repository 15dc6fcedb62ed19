using System.Text.Json;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Sagas in the database. What changes something does so in the caller's unit of work.</summary>
internal static class SagaStore
{
    /// <summary>The longest state: the row is written anew with each step.</summary>
    private const int StateBytesMost = 256 * 1024;

    public static Task<SagaRow?> LockAsync(UnitOfWork work, Guid id) => LockAsync(work, SagaSql.Lock(id));

    public static Task<SagaRow?> LockByKeyAsync(UnitOfWork work, string saga, string key) => LockAsync(work, SagaSql.LockByKey(saga, key));

    public static async Task<SagaRow?> ReadAsync(Database database, Guid id, CancellationToken cancellation)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { SagaSql.Read(id).ToBatchCommand() } };
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        return (await RowReader.ReadAllAsync<SagaRow>(reader, 1, cancellation)).SingleOrDefault();
    }

    /// <returns>How many it were.</returns>
    public static async Task<int> StopForgottenAsync(Database database, TimeSpan age, CancellationToken cancellation)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { SagaSql.StopForgotten(age).ToBatchCommand() } };
        return await batch.ExecuteNonQueryAsync(cancellation);
    }

    /// <returns>Whether there was no open one with its key.</returns>
    public static async Task<bool> InsertAsync(UnitOfWork work, SagaRow row, Origin origin) => await work.ExecuteAsync(SagaSql.Insert(row, OriginJson.Write(origin))) == 1;

    /// <summary>Inserts it with the commit, which is refused and made anew when there is an open one with its key.</summary>
    /// <returns>The row.</returns>
    public static SagaRow Begin(UnitOfWork work, SagaRow row, Origin origin)
    {
        work.Record(new BatchItem(SagaSql.Begin(row, OriginJson.Write(origin)).ToBatchCommand()));
        return row;
    }

    /// <summary>Writes how it stands, with the commit, which is refused and made anew when somebody else has moved it.</summary>
    /// <returns>The row as it is then.</returns>
    public static SagaRow Save(UnitOfWork work, SagaRow row, SagaStatus status, SagaState state)
    {
        var json = StoredJson.Write(state);
        Record(work, SagaSql.Save(row, status, json, [.. state.Pending.Select(owed => owed.Job)]));
        return row with { Status = status, State = json, Moves = row.Moves + 1 };
    }

    /// <summary>Moves it to those that have ended, with the commit.</summary>
    public static void End(UnitOfWork work, SagaRow row, SagaStatus outcome, SagaState state) => Record(work, SagaSql.End(row, outcome, StoredJson.Write(state)));

    public static Task<IReadOnlyList<Withdrawn>> WithdrawAsync(UnitOfWork work, Guid[] jobs) => jobs.Length == 0 ? Task.FromResult<IReadOnlyList<Withdrawn>>([]) : work.QueryAsync<Withdrawn>(SagaSql.Withdraw(jobs));

    /// <summary>Takes the lock before the next query, with the same round trip; what that sees is younger.</summary>
    public static void LockKey(UnitOfWork work, string saga, string key) => Record(work, SagaSql.LockKey(saga, key));

    /// <summary>The same; the next query fails when somebody else has it for longer than this.</summary>
    public static void LockKey(UnitOfWork work, string saga, string key, TimeSpan most) => Record(work, SagaSql.LockKey(saga, key, most));

    public static void Park(UnitOfWork work, string saga, string key, string item, string payload) => work.Record(new BatchItem(SagaSql.Park(saga, key, item, payload).ToBatchCommand()));

    public static Task<IReadOnlyList<ParkedEvent>> TakeParkedAsync(UnitOfWork work, string saga, string key) => work.QueryAsync<ParkedEvent>(SagaSql.TakeParked(saga, key));

    public static Task<SagaInstance?> FindAsync(Snapshot snapshot, Guid id) => FindAsync(id, snapshot.QueryAsync<Shown>, snapshot.QueryAsync<Tried>);

    public static Task<SagaInstance?> FindAsync(UnitOfWork work, Guid id) => FindAsync(id, work.QueryAsync<Shown>, work.QueryAsync<Tried>);

    public static Task<IReadOnlyList<SagaSummary>> ListAsync(Snapshot snapshot, SagaFilter filter, Guid? before, int size) => snapshot.QueryAsync<SagaSummary>(SagaSql.List(filter, before, size));

    /// <summary>Which of these jobs are dead.</summary>
    public static Task<IReadOnlyList<SagaLetter>> LettersAsync(UnitOfWork work, Guid[] jobs) => work.QueryAsync<SagaLetter>(SagaSql.Letters(jobs));

    public static async Task<bool> IsOpenJobAsync(UnitOfWork work, Guid job) => (await work.QueryAsync<bool>(SagaSql.IsOpenJob(job)))[0];

    public static SagaState StateOf(string json) => (SagaState)StoredJson.Read(typeof(SagaState), json)!;

    /// <summary>Refuses what a step gives, or an event that comes, when it cannot be kept. What is written about the way itself always can.</summary>
    /// <exception cref="InvalidOperationException">MST3104: it is too large. MST3109: it has U+0000.</exception>
    public static void CheckLearned(string saga, SagaState state)
    {
        var json = StoredJson.Write(state);
        if (json.Length > StateBytesMost)
            throw new InvalidOperationException(
                $"MST3104: What has happened to one '{saga}' takes {json.Length} characters of JSON, expected at most {StateBytesMost}. Store what is large in a table, and let steps give its id.");
        RefuseNul(saga, json);
    }

    /// <summary>PostgreSQL stores U+0000 as the text of JSON, and then refuses to look into it: whoever buries a job of such a saga could not, and all others with it.</summary>
    /// <exception cref="InvalidOperationException">MST3109</exception>
    public static void RefuseNul(string saga, string json)
    {
        if (JsonNul.IsIn(json))
            throw new InvalidOperationException($"MST3109: A text with U+0000 shall be kept in saga '{saga}': in what begins it, in what a step gives, or in an event. PostgreSQL cannot read it again. Remove U+0000 from the text, or keep bytes.");
    }

    private static async Task<SagaRow?> LockAsync(UnitOfWork work, Sql sql) => (await work.QueryAsync<SagaRow>(sql)).SingleOrDefault() is { } row ? row with { ReadAt = work.Now } : null;

    private static void Record(UnitOfWork work, Sql sql) => work.Record(new BatchItem(sql.ToBatchCommand(), YieldsRows: true));

    private static async Task<SagaInstance?> FindAsync(Guid id, Func<Sql, Task<IReadOnlyList<Shown>>> find, Func<Sql, Task<IReadOnlyList<Tried>>> ask)
    {
        if (await find(SagaSql.Find(id)) is not [var shown, ..])
            return null;
        var state = StateOf(shown.State);
        IReadOnlyList<Tried> tried = state.Pending.Count == 0 ? [] : await ask(SagaSql.Tried([.. state.Pending.Select(owed => owed.Job)]));
        return shown.ToInstance(state, tried.ToDictionary(job => job.Id));
    }

    private sealed record Shown(
        Guid Id, string Saga, int Version, string Key, SagaStatus Status, DateTimeOffset StartedAt, DateTimeOffset? Deadline, DateTimeOffset? EndedAt, JsonElement Input, string State)
    {
        public SagaInstance ToInstance(SagaState state, Dictionary<Guid, Tried> tried) =>
            new(Id, Saga, Version, Key, Status, StartedAt, Deadline, EndedAt, Input, state.Turned, [.. state.Pending.Select(owed => Next(owed, tried.GetValueOrDefault(owed.Job)))], state.Log);

        private static SagaNext Next(SagaPending owed, Tried? job) => new(owed.Item, owed.Part, owed.Job, job?.Attempt ?? 0, job?.DueAt, job?.Error is { } error ? DeadLetterError.Of(error) : null);
    }

    /// <summary>How a job fares.</summary>
    private sealed record Tried(Guid Id, int Attempt, DateTimeOffset? DueAt, JsonElement? Error);
}
