namespace Mainstay.Internal;

/// <summary>The addresses of an operation. There are no others than these, and none of them when no command is long-running.</summary>
internal static class OperationMonitors
{
    public const string Path = "/operations/{id}";

    public static IEnumerable<Operation> Of(IReadOnlyList<LongRunningCommand> commands) => commands.Count == 0 ? [] :
    [
        new OperationStatusQuery { Name = $"GET {Path}", Method = "GET", Pattern = Path, Policy = Policy.SignedIn },
        new OperationResultQuery(commands) { Name = $"GET {Path}/result", Method = "GET", Pattern = Path + "/result", Policy = Policy.SignedIn },
        new OperationCancelCommand { Name = $"POST {Path}/cancel", Method = "POST", Pattern = Path + "/cancel", Policy = Policy.SignedIn },
    ];

    /// <exception cref="ProblemException"><c>invalid-parameter</c>: it takes none. <c>not-found</c>: no operation can have such an id.</exception>
    public static object ReadId(Call call)
    {
        var faults = new InputFaults();
        foreach (var (name, _) in call.Incoming.Query.All)
            faults.Add(FieldError.In(name, "unknown", "There is no such parameter; this address takes none."));
        faults.ThrowIfAny(ProblemCatalogue.InvalidParameter);
        return TypeId.TryParse(call.Incoming.Route("id"), StoredOperation.IdPrefix, out var id) ? id : throw NotFound(call);
    }

    /// <summary>The caller's own operation. Another one's does not exist for them.</summary>
    public static ValueTask<StoredOperation> RequireAsync(Call call, Guid id) => call.Backend.Transactor.ReadAsync(call.Transaction, static async asked =>
        await asked.Call.Backend.LongRunning.Store.FindAsync(asked.Id, asked.Call.User.Id, asked.Call.Deadline, asked.Call.Cancellation) ?? throw NotFound(asked.Call), (Call: call, Id: id));

    public static ProblemException NotFound(Call call) => ProblemCatalogue.NotFound.Because(
        $"There is no operation '{call.Incoming.Route("id")}' of this caller. Operations are forgotten a day after they have ended, unless this application keeps them longer.");
}

/// <summary>How an operation stands.</summary>
internal sealed class OperationStatusQuery : Operation
{
    public override bool IsCommand => false;

    public override object ReadInput(Call call) => OperationMonitors.ReadId(call);

    public override async ValueTask<Answer> RunAsync(Call call, object? input) => OperationAnswers.Status(call, await OperationMonitors.RequireAsync(call, (Guid)input!));
}

/// <summary>What an operation has come to.</summary>
internal sealed class OperationResultQuery(IReadOnlyList<LongRunningCommand> commands) : Operation
{
    /// <summary>Whose answers these can be.</summary>
    public IReadOnlyList<LongRunningCommand> Commands => commands;

    public override bool IsCommand => false;

    public override object ReadInput(Call call) => OperationMonitors.ReadId(call);

    public override async ValueTask<Answer> RunAsync(Call call, object? input) => OperationAnswers.Result(call, await OperationMonitors.RequireAsync(call, (Guid)input!));
}

/// <summary>
/// Cancels an operation. After the answer, whichever, it will not have any effect: a run that has not been committed by then is refused its commit.
/// </summary>
internal sealed class OperationCancelCommand : CommandOperation
{
    public override object ReadInput(Call call) => OperationMonitors.ReadId(call);

    public override async ValueTask<Answer> RunAsync(Call call, object? input)
    {
        var answer = await base.RunAsync(call, input);
        call.Backend.LongRunning.Cancel((Guid)input!);
        return answer;
    }

    protected override async Task<Answer> HandleAsync(Call call, object? input, UnitOfWork work)
    {
        var id = (Guid)input!;
        if (await call.Backend.LongRunning.Store.CancelAsync(work, id, call.User.Id) is { } operation)
        {
            // An operation has no version that a change could be conditional on; a refusal takes the cancellation back.
            Preconditions.Demand(call, version: null);
            return operation.HasEnded ? OperationAnswers.Cancelled(call, operation) : OperationAnswers.Accepted(call, operation);
        }
        var ended = await OperationStore.FindAsync(work, id, call.User.Id) ?? throw OperationMonitors.NotFound(call);
        throw ProblemCatalogue.OperationEnded.Because($"The operation has {(ended.Status == OperationStatus.Cancelled ? "been cancelled" : ended.Status.ToString().ToLowerInvariant())} already, so there is nothing to cancel.");
    }
}
