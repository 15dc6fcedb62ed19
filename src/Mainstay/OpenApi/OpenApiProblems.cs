using System.ComponentModel.DataAnnotations;

namespace Mainstay.Internal;

/// <summary>Which problems an operation can answer with: one place that follows the pipeline from the first check to the commit.</summary>
internal sealed class OpenApiProblems(IReadOnlyList<ResourceModel> resources)
{
    private static readonly User stranger = new("stranger");

    /// <summary>Whether callers without a credential are admitted.</summary>
    public static bool IsPublic(Operation operation) => operation.Policy.Resolve(User.Anonymous, operation.RowType) != Predicate.Never;

    public IReadOnlyList<ProblemType> Of(Operation operation) =>
        [.. All(operation).Distinct().OrderBy(problem => problem.Status).ThenBy(problem => problem.Code, StringComparer.Ordinal)];

    private IEnumerable<ProblemType> All(Operation operation) =>
    [
        ProblemCatalogue.Unauthenticated, // also where everybody is admitted: a wrong credential is refused, never ignored
        .. operation.Policy.Resolve(stranger, operation.RowType) == Predicate.Never || (operation.IsCommand && operation.Policy.RowTypes.Any()) ? [ProblemCatalogue.Forbidden] : Array.Empty<ProblemType>(),
        .. OfRequest(operation),
        .. operation is ResourceCommand command ? OfResource(command) : [],
        .. OfLongRunning(operation),
        .. operation is ListOperation { Parent: not null } or GetOperation ? [ProblemCatalogue.NotFound] : Array.Empty<ProblemType>(),
        .. operation switch
        {
            DeclaredCommand declared => OfDeclared(declared.Declaration, declared.Input),
            DeclaredQuery declared => OfDeclared(declared.Declaration, declared.Input),
            _ => [],
        },
        .. operation.Deprecation is { HasSunset: true } ? [ProblemCatalogue.Gone] : Array.Empty<ProblemType>(),
        .. operation.IsCommand ? OfCommand(operation) : [],
        .. operation.Handlers.Count > 0 ? [ProblemCatalogue.QueueBehind] : Array.Empty<ProblemType>(),
        ProblemCatalogue.InternalError, ProblemCatalogue.DatabaseUnavailable, ProblemCatalogue.DeadlineExceeded,
    ];

    /// <summary>What can be wrong before the operation begins.</summary>
    private static IEnumerable<ProblemType> OfRequest(Operation operation)
    {
        yield return ProblemCatalogue.InvalidParameter;
        yield return ProblemCatalogue.NotAcceptable;
        yield return ProblemCatalogue.RateLimited; // operators limit also what is declared without
        yield return ProblemCatalogue.MalformedRequest; // also a body where none is taken
        if (operation is ListOperation)
            yield return ProblemCatalogue.InvalidCursor;
        if (operation.Method == "GET")
            yield return ProblemCatalogue.PreconditionFailed; // If-Match
        else
            foreach (var problem in new[] { ProblemCatalogue.RequestTimeout, ProblemCatalogue.BodyTooLarge })
                yield return problem;
        if (operation.MediaTypes.Count > 0)
            foreach (var problem in new[] { ProblemCatalogue.MalformedJson, ProblemCatalogue.ValidationFailed, ProblemCatalogue.UnsupportedMediaType, ProblemCatalogue.UnsupportedContentCoding })
                yield return problem;
    }

    /// <summary>What a transaction can end with, whatever it does.</summary>
    private static IEnumerable<ProblemType> OfCommand(Operation operation) =>
    [
        ProblemCatalogue.InvalidIdempotencyKey, ProblemCatalogue.PreconditionFailed, ProblemCatalogue.ConcurrentUpdate, ProblemCatalogue.RequestInProgress, ProblemCatalogue.IdempotencyKeyReused, ProblemCatalogue.OutcomeUnknown,
        .. operation is BatchCommand or LongRunningCommand ? Array.Empty<ProblemType>() : [ProblemCatalogue.PreconditionRequired], // If-Unmodified-Since
        .. operation.RequiresKey ? [ProblemCatalogue.IdempotencyKeyRequired] : Array.Empty<ProblemType>(),
        .. operation is DeleteOperation or BulkDeleteOperation ? Array.Empty<ProblemType>() : [ProblemCatalogue.AnswerTooLarge],
    ];

    private IEnumerable<ProblemType> OfResource(ResourceCommand command)
    {
        var resource = command.Resource;
        if (command is not (CreateOperation { Parent: null } or BulkCreateOperation))
            yield return ProblemCatalogue.NotFound;
        if (command is ReplaceOperation or PatchOperation or DeleteOperation or BulkPatchOperation or BulkDeleteOperation)
        {
            yield return ProblemCatalogue.PreconditionFailed;
            if (resource.RequiresIfMatch)
                yield return ProblemCatalogue.PreconditionRequired;
        }
        if (command is DeleteOperation or BulkDeleteOperation)
        {
            if (resources.Any(other => other.Table.Columns.Any(column => column.Reference == resource.Table)))
                yield return ProblemCatalogue.StillReferenced;
            yield break;
        }
        if (resource.Table.Indexes.Any(index => index.IsUnique))
            yield return ProblemCatalogue.AlreadyExists;
        if (resource.Table.Columns.Any(column => column.Reference is not null))
            yield return ProblemCatalogue.ReferenceNotFound;
    }

    /// <summary>A result can be any refusal of the command that it belongs to.</summary>
    private IEnumerable<ProblemType> OfLongRunning(Operation operation) => operation switch
    {
        LongRunningCommand => [ProblemCatalogue.OperationCancelled], // while the caller waits for it
        OperationStatusQuery => [ProblemCatalogue.NotFound],
        OperationResultQuery result => [ProblemCatalogue.NotFound, ProblemCatalogue.OperationUnfinished, ProblemCatalogue.OperationCancelled,
            .. result.Commands.SelectMany(command => OfDeclared(command.Declaration, command.Input)), ProblemCatalogue.ConcurrentUpdate, ProblemCatalogue.ValidationFailed, ProblemCatalogue.MalformedJson],
        OperationCancelCommand => [ProblemCatalogue.NotFound, ProblemCatalogue.OperationEnded],
        _ => [],
    };

    /// <summary>A handler may touch any row, so what any table can refuse counts.</summary>
    private IEnumerable<ProblemType> OfDeclared(OperationDeclaration declaration, DeclaredInput input)
    {
        foreach (var refusal in declaration.Refusals)
            yield return refusal;
        if (declaration.Handler.Context != HandlerContext.None || input.RouteMembers.Length > 0 || (!declaration.IsCommand && declaration.Handler.MayReturnNull))
            yield return ProblemCatalogue.NotFound;
        if (declaration.Handler.Input is { } type && typeof(IValidatableObject).IsAssignableFrom(type))
            yield return ProblemCatalogue.ValidationFailed;
        if (declaration.Handler.Context == HandlerContext.Snapshot)
            yield return ProblemCatalogue.ConcurrentUpdate;
        if (!declaration.IsCommand)
            yield break;
        if (resources.Count > 0)
            yield return ProblemCatalogue.ValidationFailed; // a row outside its declared bounds
        if (resources.Any(resource => resource.Table.Indexes.Any(index => index.IsUnique)))
            yield return ProblemCatalogue.AlreadyExists;
        if (resources.Any(resource => resource.Table.Columns.Any(column => column.Reference is not null)))
        {
            yield return ProblemCatalogue.ReferenceNotFound;
            yield return ProblemCatalogue.StillReferenced;
        }
    }
}
