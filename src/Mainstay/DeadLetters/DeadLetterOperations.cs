using System.ComponentModel.DataAnnotations;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>The dead letters over HTTP, for operators.</summary>
internal static class DeadLetterOperations
{
    private const string Letters = "/dead-letters";
    private const string Redrives = "/redrives";

    public static IEnumerable<Operation> Of(Policy operators) =>
    [
        DeadLetterListQuery.Of(operators, Letters),
        OperatorOperations.Query(operators, Letters + "/{id}", async (Addressed input, Snapshot snapshot) => await DeadLetterStore.FindAsync(snapshot, input.Id) ?? throw NoLetter(input.Id)),
        OperatorOperations.Query(operators, Redrives + "/preview", (Some input, Snapshot snapshot) => DeadLetterStore.PreviewAsync(snapshot, input.Filter)),
        OperatorOperations.Command(operators, Letters + "/{id}/redrive", RedriveAsync),
        OperatorOperations.Command(operators, Letters + "/{id}/discard", (Reasoned input, UnitOfWork work) => ChangedAsync(work, input.Id, DeadLetterStore.DiscardAsync(work, input.Id, input.Why))),
        OperatorOperations.Command(operators, Letters + "/{id}/restore", (Reasoned input, UnitOfWork work, DeadLetters letters) => ChangedAsync(work, input.Id, letters.RestoreInAsync(work, input.Id, input.Why))),
        OperatorOperations.Command(operators, Letters + "/discard", async (SomeReasoned input, UnitOfWork work) => new Changed(await DeadLetterStore.DiscardManyAsync(work, input.Filter, input.Why))),
        OperatorOperations.Command(operators, Letters + "/restore", async (SomeReasoned input, UnitOfWork work, DeadLetters letters) => new Changed(await letters.RestoreManyInAsync(work, input.Filter, input.Why))),
        OperatorOperations.Command(operators, Redrives, (SomePaced input, UnitOfWork work) => DeadLetters.RedriveManyInAsync(work, input.Filter, input.Why, input.PerSecond)),
        OperatorOperations.Query(operators, Redrives, (Snapshot snapshot) => DeadLetterStore.ListRedrivesAsync(snapshot)),
        OperatorOperations.Query(operators, Redrives + "/{id}", async (Addressed input, Snapshot snapshot) => await DeadLetterStore.FindRedriveAsync(snapshot, input.Id) ?? throw NoRedrive(input.Id)),
        OperatorOperations.Command(operators, Redrives + "/{id}/stop", StopAsync),
    ];

    private static async Task<Redriven> RedriveAsync(Edited input, UnitOfWork work, DeadLetters letters) =>
        await letters.RedriveInAsync(work, input.Id, input.Why, input.Payload?.GetRawText()) ? new Redriven(input.Id, true)
        // Somebody has redriven it before, and it is on its way: that is what was asked for.
        : await DeadLetterStore.IsOpenAsync(work, input.Id) ? new Redriven(input.Id, false)
        : throw NoLetter(input.Id);

    private static async Task<Redrive> StopAsync(Reasoned input, UnitOfWork work) =>
        await DeadLetterStore.StopRedriveAsync(work, input.Id, input.Why) ?? await DeadLetterStore.FindRedriveAsync(work, input.Id) ?? throw NoRedrive(input.Id);

    /// <summary>The letter as it is now, also when that is what it was.</summary>
    private static async Task<DeadLetter> ChangedAsync(UnitOfWork work, Guid id, Task<int> change)
    {
        await change;
        return await DeadLetterStore.FindAsync(work, id) ?? throw NoLetter(id);
    }

    private static ProblemException NoLetter(Guid id) => ProblemCatalogue.NotFound.Because($"There is no dead letter '{id}'. It was redriven and done, deleted after it had been discarded or kept long enough, or has never died.");

    private static ProblemException NoRedrive(Guid id) => ProblemCatalogue.NotFound.Because($"There is no redrive '{id}'. Those that have ended are forgotten after as long as dead letters are kept.");

    private sealed record Addressed(Guid Id);

    private sealed record Some(string? Handler, string? Reason, DateTimeOffset? From, DateTimeOffset? Before, string? Error)
    {
        public DeadLetterFilter Filter => Filtered(Handler, Reason, From, Before, Error);
    }

    private sealed record Reasoned(Guid Id, [RegularExpression(Sayings.Pattern)] string Why);

    private sealed record Edited(Guid Id, [RegularExpression(Sayings.Pattern)] string Why, JsonElement? Payload);

    private sealed record SomeReasoned(string? Handler, string? Reason, DateTimeOffset? From, DateTimeOffset? Before, string? Error, [RegularExpression(Sayings.Pattern)] string Why)
    {
        public DeadLetterFilter Filter => Filtered(Handler, Reason, From, Before, Error);
    }

    private sealed record SomePaced(string? Handler, string? Reason, DateTimeOffset? From, DateTimeOffset? Before, string? Error, [RegularExpression(Sayings.Pattern)] string Why, [Range(1, 10_000)] int PerSecond = 100)
    {
        public DeadLetterFilter Filter => Filtered(Handler, Reason, From, Before, Error);
    }

    private sealed record Changed(int Count);

    /// <param name="Id">The letter, and the job that it is again.</param>
    /// <param name="IsRedriven">False when it was open already.</param>
    private sealed record Redriven(Guid Id, bool IsRedriven);

    private static DeadLetterFilter Filtered(string? handler, string? reason, DateTimeOffset? from, DateTimeOffset? before, string? error) =>
        new() { Handler = handler, Reason = reason, From = from, Before = before, Error = error };

    private static class Sayings
    {
        /// <summary>At least one character that can be seen.</summary>
        public const string Pattern = @"[\s\S]*\S[\s\S]*";
    }
}
