using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>
/// Something callers can do: a declared command or query, or one of a resource's standard operations. Every interface calls operations through
/// the <see cref="OperationPipeline"/>, and through nothing else.
/// </summary>
internal abstract class Operation
{
    private ResultSubject? _subject;

    /// <summary>The stable name in logs, metrics, audit and traces, for example <c>POST /v1/orders</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The HTTP method.</summary>
    public required string Method { get; init; }

    /// <summary>The route pattern.</summary>
    public required string Pattern { get; init; }

    public required Policy Policy { get; init; }

    /// <summary>The row type that row policies of this operation speak of, or null.</summary>
    public Type? RowType { get; init; }

    public TimeSpan Timeout { get; init; } = OperationDefaults.Timeout;

    /// <summary>Whether it is for operators, and so in no contract and no documentation.</summary>
    public bool IsInternal { get; init; }

    /// <summary>Since when and until when it is served, when it is on its way out.</summary>
    public Deprecation? Deprecation { get; set; }

    /// <summary>How often each caller may call it: its own limits, else those of the configuration, or null.</summary>
    public RateLimits? RateLimits { get; set; }

    /// <summary>Whether a call without an idempotency key is refused.</summary>
    public bool RequiresKey { get; set; }

    /// <summary>The subscriptions and jobs that it makes work for, as far as that is declared.</summary>
    public IReadOnlyList<string> Handlers { get; set; } = [];

    /// <summary>Whether it changes data. Commands run to their end when the caller goes away; queries stop.</summary>
    public abstract bool IsCommand { get; }

    /// <summary>The media types of the body it takes; empty for none.</summary>
    public virtual IReadOnlyList<string> MediaTypes => [];

    /// <summary>What its results are, for the envelope: rows of a resource, or something else.</summary>
    public ResultSubject SubjectOf(ResourceModel? resource) => _subject is { } known && known.Collection == resource?.Name
        ? known
        : _subject = new ResultSubject(Name, IsCommand, resource?.Name, resource is null ? null : JsonNamingPolicy.CamelCase.ConvertName(resource.Table.RowType.Name));

    /// <summary>Reads and checks the input. Throws one problem that lists everything that is wrong.</summary>
    public abstract object? ReadInput(Call call);

    /// <summary>Does it, in whatever transaction it needs, and returns the complete answer.</summary>
    public abstract ValueTask<Answer> RunAsync(Call call, object? input);
}

/// <summary>An operation that changes data in one unit of work.</summary>
internal abstract class CommandOperation : Operation
{
    public sealed override bool IsCommand => true;

    public System.Data.IsolationLevel Isolation { get; init; } = System.Data.IsolationLevel.ReadCommitted;

    protected virtual bool IsBulk => false;

    /// <summary>Whether concurrent calls may be committed together.</summary>
    public bool IsCoalesced { get; init; }

    /// <summary>Set at the start when concurrent calls are committed together; null when each is committed alone.</summary>
    public GroupCommits? Group { get; set; }

    /// <summary>Runs the handler and renders its answer. What it recorded is committed afterwards, together with the answer's receipt.</summary>
    protected abstract Task<Answer> HandleAsync(Call call, object? input, UnitOfWork work);

    public override ValueTask<Answer> RunAsync(Call call, object? input)
    {
        var request = call.Transaction with { Isolation = Isolation, IsBulk = IsBulk, Group = Group };
        return new(call.Backend.Transactor.RunAsync(request, async work =>
        {
            var answer = call.Preferences.Apply(await HandleAsync(call, input, work));
            return new Completed<Answer>(answer, call.Key is { } key ? call.Backend.Receipts.Record(key, answer) : null);
        }));
    }
}
