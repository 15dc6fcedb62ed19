using System.Text.Json;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Dead letters in the database. What changes something does so in the caller's unit of work, with an entry in the audit trail.</summary>
internal static class DeadLetterStore
{
    /// <summary>How far a preview counts, and how many letters one action discards or restores.</summary>
    public const int CountMost = 10_000;

    private const int FoundMost = 1_000_000;
    private const int SampleSize = 10;
    private const int RedrivesMost = 100;
    private const string Letters = "mainstay.jobs_dead";
    private const string Redrives = "mainstay.redrives";
    private const string Discarding = "discard";

    /// <summary>Longest time between two steps of a redrive with several letters in each, and the most letters in one step.</summary>
    private const double StepSeconds = 0.2;
    private const int StepMost = 500;

    public static Task<IReadOnlyList<DeadLetterEntry>> ListAsync(Snapshot snapshot, DeadLetterFilter filter, DateTimeOffset? deadAt, Guid? id, int size) =>
        snapshot.QueryAsync<DeadLetterEntry>(DeadLetterSql.List(filter, deadAt, id, size));

    public static async Task<DeadLetter?> FindAsync(Snapshot snapshot, Guid id) => (await snapshot.QueryAsync<Row>(DeadLetterSql.Find(id))).SingleOrDefault()?.ToLetter();

    public static async Task<DeadLetter?> FindAsync(UnitOfWork work, Guid id) => (await work.QueryAsync<Row>(DeadLetterSql.Find(id))).SingleOrDefault()?.ToLetter();

    public static async Task<DeadLetterPreview> PreviewAsync(Snapshot snapshot, DeadLetterFilter filter)
    {
        var groups = await snapshot.QueryAsync<DeadLetterGroup>(DeadLetterSql.Groups(filter, CountMost + 1));
        var count = groups.Sum(group => group.Count);
        return new DeadLetterPreview(Math.Min(count, CountMost), count > CountMost, groups, await ListAsync(snapshot, filter, null, null, SampleSize));
    }

    /// <summary>The handler of a letter that can be redriven; null when there is none.</summary>
    public static async Task<string?> HandlerOfAsync(UnitOfWork work, Guid id) => (await work.QueryAsync<string>(DeadLetterSql.HandlerOf(id))).SingleOrDefault();

    public static async Task<bool> IsOpenAsync(UnitOfWork work, Guid id) => (await work.QueryAsync<bool>(DeadLetterSql.IsOpen(id)))[0];

    /// <returns>False when there is no such letter, or none any more.</returns>
    public static async Task<bool> RedriveAsync(UnitOfWork work, Guid id, string? payload, string why)
    {
        if ((await work.QueryAsync<string>(DeadLetterSql.Redrive(id, payload))).SingleOrDefault() is not { } before)
            return false;
        if (payload is null)
            Audit(work, "redrive", Letters, id, null, After(why, 1));
        else
            // As text: what could not be read may well be what jsonb cannot hold.
            Audit(work, "redrive", Letters, id, Json(writer => writer.WriteString("payload"u8, before)), After(why, 1, writer => writer.WriteString("payload"u8, payload)));
        return true;
    }

    public static Task<int> DiscardAsync(UnitOfWork work, Guid id, string why) => ChangeAsync(work, DeadLetterSql.Discard(id), Discarding, id, why, null);

    public static Task<int> RestoreAsync(UnitOfWork work, Guid id, TimeSpan within, string why) => ChangeAsync(work, DeadLetterSql.Restore(id, within), "restore", id, why, null);

    public static Task<int> DiscardManyAsync(UnitOfWork work, DeadLetterFilter filter, string why) =>
        ChangeAsync(work, DeadLetterSql.DiscardMany(filter with { Discarded = false }, CountMost), Discarding, Guid.CreateVersion7(), why, filter);

    public static Task<int> RestoreManyAsync(UnitOfWork work, DeadLetterFilter filter, TimeSpan within, string why) =>
        ChangeAsync(work, DeadLetterSql.RestoreMany(filter with { Discarded = true }, within, CountMost), "restore", Guid.CreateVersion7(), why, filter);

    public static async Task<Redrive> StartRedriveAsync(UnitOfWork work, DeadLetterFilter filter, int perSecond, string why)
    {
        var origin = work.Origin;
        var redrive = (await work.QueryAsync<Redrive>(DeadLetterSql.StartRedrive(Guid.CreateVersion7(), filter with { Discarded = false }, perSecond, FoundMost, origin, OriginJson.Write(origin), why)))[0];
        Audit(work, "redrive", Redrives, redrive.Id, null, After(why, redrive.Found, writer => Write(writer, filter)));
        return redrive;
    }

    public static async Task<Redrive?> FindRedriveAsync(Snapshot snapshot, Guid id) => (await snapshot.QueryAsync<Redrive>(DeadLetterSql.FindRedrive(id))).SingleOrDefault();

    public static async Task<Redrive?> FindRedriveAsync(UnitOfWork work, Guid id) => (await work.QueryAsync<Redrive>(DeadLetterSql.FindRedrive(id))).SingleOrDefault();

    public static Task<IReadOnlyList<Redrive>> ListRedrivesAsync(Snapshot snapshot) => snapshot.QueryAsync<Redrive>(DeadLetterSql.ListRedrives(RedrivesMost));

    /// <returns>Null when there is none, or it has ended.</returns>
    public static async Task<Redrive?> StopRedriveAsync(UnitOfWork work, Guid id, string why)
    {
        if ((await work.QueryAsync<Redrive>(DeadLetterSql.StopRedrive(id))).SingleOrDefault() is not { } stopped)
            return null;
        Audit(work, "stop", Redrives, id, null, After(why, stopped.Redriven));
        return stopped;
    }

    /// <summary>The next few letters of one redrive whose time has come.</summary>
    /// <returns>What it has come to; null when none was to be done here.</returns>
    public static async Task<Redrive?> StepAsync(UnitOfWork work)
    {
        if ((await work.QueryAsync<Running>(DeadLetterSql.TakeRedrive())).SingleOrDefault() is not { } running)
            return null;
        var filter = new DeadLetterFilter { Handler = running.Handler, Reason = running.Reason, From = running.DiedFrom, Before = running.DiedBefore, Error = running.Error };
        var most = (int)Math.Clamp(running.PerSecond * StepSeconds, 1, StepMost);
        var redrive = (await work.QueryAsync<Redrive>(DeadLetterSql.Step(running.Id, filter, running.LastAt, running.LastId, most, running.PerSecond)))[0];
        if (redrive.Status == RedriveStatus.Done)
            work.Record(new BatchItem(DeadLetterSql.Audit(OriginJson.Read(running.Origin), "redriven", Redrives, redrive.Id, null, After(redrive.Why, redrive.Redriven)).ToBatchCommand()));
        return redrive;
    }

    /// <summary>How long it is to the next step of any redrive, 0 when it is due; null when none runs.</summary>
    public static async Task<TimeSpan?> NextStepAsync(Database database, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(DeadLetterSql.NextStep);
        return await command.ExecuteScalarAsync(cancellation) is double seconds ? TimeSpan.FromSeconds(Math.Clamp(seconds, 0, 3600)) : null;
    }

    private static async Task<int> ChangeAsync(UnitOfWork work, Sql change, string action, Guid id, string why, DeadLetterFilter? filter)
    {
        var count = await work.ExecuteAsync(change);
        if (count > 0)
            Audit(work, action, Letters, id, null, After(why, count, filter is null ? null : writer => Write(writer, filter)));
        if (count > 0 && action == Discarding)
            work.Record(new BatchItem(new NpgsqlBatchCommand(DeadLetterSql.OpenLanes), YieldsRows: true));
        return count;
    }

    private static void Audit(UnitOfWork work, string action, string resource, Guid id, string? before, string after) =>
        work.Record(new BatchItem(DeadLetterSql.Audit(work.Origin, action, resource, id, before, after).ToBatchCommand()));

    private static string After(string why, int count, Action<Utf8JsonWriter>? more = null) => Json(writer =>
    {
        writer.WriteString("why"u8, why);
        writer.WriteNumber("count"u8, count);
        more?.Invoke(writer);
    });

    private static void Write(Utf8JsonWriter writer, DeadLetterFilter filter)
    {
        writer.WritePropertyName("filter"u8);
        Shape.Of(typeof(DeadLetterFilter)).Write(writer, filter);
    }

    private static string Json(Action<Utf8JsonWriter> members)
    {
        using var json = JsonScratch.Rent();
        var writer = json.Writer;
        writer.WriteStartObject();
        members(writer);
        writer.WriteEndObject();
        return json.ToString();
    }

    /// <summary>A letter as its row has it.</summary>
    private sealed record Row(
        Guid Id, string Handler, string Reason, int Attempts, int Crashes, DateTimeOffset CreatedAt, DateTimeOffset DeadAt, DateTimeOffset? DiscardedAt,
        Guid? Message, JsonElement Payload, JsonElement? Origin, JsonElement? Errors)
    {
        public DeadLetter ToLetter() => new(Id, Handler, Reason, Attempts, Crashes, CreatedAt, DeadAt, DiscardedAt, Message, Payload, Origin, Errors is { } errors ? [.. errors.EnumerateArray().Select(DeadLetterError.Of)] : []);
    }

    /// <summary>What a step needs to know of its redrive.</summary>
    private sealed record Running(
        Guid Id, string? Handler, string? Reason, DateTimeOffset? DiedFrom, DateTimeOffset DiedBefore, string? Error, int PerSecond, DateTimeOffset? LastAt, Guid? LastId, string Origin);
}
