using System.ComponentModel.DataAnnotations;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>The sagas over HTTP, for operators.</summary>
internal static class SagaOperations
{
    private const string Path = "/sagas";

    /// <summary>At least one character that can be seen.</summary>
    private const string Saying = @"[\s\S]*\S[\s\S]*";

    public static IEnumerable<Operation> Of(Policy operators) =>
    [
        OperatorOperations.Query(operators, Path, (Some input, Snapshot snapshot) => SagaStore.ListAsync(snapshot, new SagaFilter { Saga = input.Saga, Key = input.Key, Status = input.Status }, input.Before, input.PageSize)),
        OperatorOperations.Query(operators, Path + "/{id}", async (Addressed input, Snapshot snapshot) => await SagaStore.FindAsync(snapshot, input.Id) ?? throw NoSaga(input.Id)),
        OperatorOperations.Command(operators, Path + "/{id}/retry", (Reasoned input, UnitOfWork work, Sagas sagas) => ChangedAsync(work, input.Id, SagaDecisions.RetryAsync(sagas.Model, work, input.Id, input.Why))),
        OperatorOperations.Command(operators, Path + "/{id}/compensate", (Reasoned input, UnitOfWork work, Sagas sagas) => ChangedAsync(work, input.Id, SagaDecisions.CompensateAsync(sagas.Model, work, input.Id, input.Why))),
        OperatorOperations.Command(operators, Path + "/{id}/skip", (Skipping input, UnitOfWork work, Sagas sagas) =>
            ChangedAsync(work, input.Id, SagaDecisions.SkipAsync(sagas.Model, work, input.Id, input.Item, input.Why, input.Result?.GetRawText()))),
    ];

    /// <summary>The saga as it is then, also when that is what it was.</summary>
    private static async Task<SagaInstance> ChangedAsync(UnitOfWork work, Guid id, Task<bool> change)
    {
        await change;
        return await SagaStore.FindAsync(work, id) ?? throw NoSaga(id);
    }

    private static ProblemException NoSaga(Guid id) => ProblemCatalogue.NotFound.Because($"There is no saga '{id}'. It ended longer ago than that is kept, or has never begun.");

    private sealed record Addressed(Guid Id);

    private sealed record Some(string? Saga, string? Key, SagaStatus? Status, Guid? Before, [Range(1, 1000)] int PageSize = 100);

    private sealed record Reasoned(Guid Id, [RegularExpression(Saying)] string Why);

    private sealed record Skipping(Guid Id, string Item, [RegularExpression(Saying)] string Why, JsonElement? Result);
}
