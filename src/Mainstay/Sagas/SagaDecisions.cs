using System.Reflection;
using System.Text;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>What somebody decides about a saga, in a transaction that is open already.</summary>
internal static class SagaDecisions
{
    private const string Resource = "mainstay.sagas";

    public static async Task<bool> CompensateAsync(SagaModel model, UnitOfWork work, Guid id, string why)
    {
        if (await TakeAsync(model, work, id, why) is not var (row, walk) || walk.HasTurned)
            return false;
        var ended = new List<Withdrawn>(await SagaStore.WithdrawAsync(work, walk.Others(Guid.Empty)));
        foreach (var letter in await SagaStore.LettersAsync(work, walk.Others(Guid.Empty)))
        {
            await DeadLetterStore.DiscardAsync(work, letter.Id, why);
            ended.Add(new Withdrawn(letter.Id, 1));
        }
        foreach (var lost in walk.Others(Guid.Empty).Except(ended.Select(job => job.Id)))
            if (!await SagaStore.IsOpenJobAsync(work, lost))
                ended.Add(new Withdrawn(lost, 1));      // its letter is not kept any more
        walk.Turn(why, ended, work.Origin.Actor);
        Save(work, row, walk, "compensate", null, why);
        return true;
    }

    public static async Task<bool> RetryAsync(SagaModel model, UnitOfWork work, Guid id, string why)
    {
        if (await TakeAsync(model, work, id, why) is not var (row, walk))
            return false;
        var letters = (await SagaStore.LettersAsync(work, walk.Others(Guid.Empty))).ToDictionary(letter => letter.Id);
        var isRetried = false;
        foreach (var owed in walk.State.Pending.ToArray())
        {
            if (letters.TryGetValue(owed.Job, out var letter))
            {
                if (letter.IsDiscarded)
                    await DeadLetterStore.RestoreAsync(work, letter.Id, TimeSpan.FromDays(3650), why);
                await DeadLetterStore.RedriveAsync(work, letter.Id, null, why);
            }
            else if (await SagaStore.IsOpenJobAsync(work, owed.Job))
                continue;
            else
                walk.Replace(owed.Job);     // its letter is not kept any more
            walk.Retried(model.Find(row.Saga)!.Find(row.Version)!.Find(owed.Item)!, why, work.Origin.Actor);
            isRetried = true;
        }
        if (isRetried)
            Save(work, row, walk, "retry", null, why);
        return isRetried;
    }

    public static async Task<bool> SkipAsync(SagaModel model, UnitOfWork work, Guid id, string item, string why, string? result)
    {
        if (await TakeAsync(model, work, id, why) is not var (row, walk) || walk.State.Pending.FirstOrDefault(owed => owed.Item == item) is not { } owed)
            return false;
        var definition = model.Find(row.Saga)!.Find(row.Version)!;
        var skipped = definition.Find(item)!;
        var given = walk.HasTurned ? null : Read(definition, skipped, result);
        var letters = await SagaStore.LettersAsync(work, [owed.Job]);
        if (letters is [{ IsDiscarded: false }])
            await DeadLetterStore.DiscardAsync(work, owed.Job, why);
        else if (letters.Count == 0 && (await SagaStore.WithdrawAsync(work, [owed.Job])).Count == 0 && await SagaStore.IsOpenJobAsync(work, owed.Job))
            throw ProblemCatalogue.ConcurrentUpdate.Because($"'{item}' runs just now. Wait for its end, and look again whether it is to be skipped.");
        walk.Skipped(skipped, owed.Job, given, why, work.Origin.Actor);
        Save(work, row, walk, "skip", item, why);
        return true;
    }

    /// <returns>The row, locked, and where it stands; null when there is no open saga of this id.</returns>
    /// <exception cref="ProblemException"><c>concurrent-update</c>: its definition is not declared here.</exception>
    private static async Task<(SagaRow Row, SagaWalk Walk)?> TakeAsync(SagaModel model, UnitOfWork work, Guid id, string why)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(why);
        if (await SagaStore.LockAsync(work, id) is not { } row)
            return null;
        return model.Find(row.Saga)?.Find(row.Version) is { } definition && definition.Shape == row.Shape
            ? (row, SagaMoves.Walk(definition, row))
            : throw ProblemCatalogue.ConcurrentUpdate.Because($"Saga '{row.Saga}' {id} goes by version {row.Version}, which this node does not declare as it was. Ask a node that does.");
    }

    /// <exception cref="ProblemException"><c>validation-failed</c> or <c>malformed-json</c></exception>
    private static JsonElement? Read(SagaDefinition definition, SagaItem skipped, string? result)
    {
        var faults = new InputFaults { IsStored = true };
        if (result is null)
        {
            if (definition.IsNeeded(skipped))
                faults.Add(JsonPath.Root["result"], "required", $"Expected a {skipped.Gives!.Name}, because what comes behind '{skipped.Name}' asks for it.");
            faults.ThrowIfAny();
            return null;
        }
        using var json = JsonBody.Parse(Encoding.UTF8.GetBytes(result));
        if (skipped.Gives is { } type)
            Shape.Of(type).Read(json.RootElement, JsonPath.Root["result"], faults);
        else
            faults.Add(JsonPath.Root["result"], "unexpected", $"'{skipped.Name}' gives nothing. Leave it out.");
        faults.ThrowIfAny();
        return json.RootElement.Clone();
    }

    private static void Save(UnitOfWork work, SagaRow row, SagaWalk walk, string action, string? item, string why)
    {
        SagaMoves.Save(work, row, walk);
        using var after = JsonScratch.Rent();
        after.Writer.WriteStartObject();
        after.Writer.WriteString("why"u8, why);
        if (item is not null)
            after.Writer.WriteString("item"u8, item);
        after.Writer.WriteEndObject();
        work.Record(new BatchItem(DeadLetterSql.Audit(work.Origin, action, Resource, row.Id, null, after.ToString()).ToBatchCommand()));
    }
}
