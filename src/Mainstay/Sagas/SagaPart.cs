using System.Reflection;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Internal;

/// <summary>What the job of a saga carries: the rest is in the row.</summary>
internal sealed record SagaJob(Guid Saga);

/// <summary>What one kind of job does for a saga. Moving the saga on is part of the commit that ends the job.</summary>
internal abstract class SagaPart(SagaDefinition definition) : IJobPart
{
    public SagaDefinition Definition => definition;

    public SagaItem Item { get; set; } = null!;

    public QueueHandler Handler { get; set; } = null!;

    public abstract bool IsTransactional { get; }

    public IJobPartRun Begin(ClaimedJob job, JobRunServices services) => new SagaPartRun(this, job, services);

    /// <summary>Does what is to be done.</summary>
    /// <param name="facts">What is known, in the order of <see cref="SagaDefinition.Facts"/>.</param>
    /// <param name="context">Gives the unit of work or the outbound, as the handler asks.</param>
    /// <param name="services">Makes a scope for it.</param>
    /// <param name="cancellation">Ends it.</param>
    public abstract Task<object?> InvokeAsync(object?[] facts, Func<IServiceProvider, object> context, IServiceScopeFactory services, CancellationToken cancellation);

    /// <summary>Notes that it has been done.</summary>
    public abstract Task EndAsync(UnitOfWork work, SagaWalk walk, ClaimedJob job, object? result);
}

/// <summary>Does a step, or undoes it.</summary>
internal sealed class SagaStepPart(SagaDefinition definition, Delegate declared, bool isUndo) : SagaPart(definition)
{
    private Handler _handler = null!;

    public bool IsUndo => isUndo;

    /// <summary>The record that it gives. A value, such as the number of rows that a statement has changed, tells nobody what it is and is not kept.</summary>
    public Type? Result => _handler.Result is { } type && ScalarShape.TryCreate(Nullable.GetUnderlyingType(type) ?? type) is null && Shape.Of(type) is RecordShape ? type : null;

    /// <summary>What it asks for of what is known.</summary>
    public IReadOnlyList<ParameterInfo> Asked => _handler.Asked;

    public override bool IsTransactional => _handler.Context == HandlerContext.UnitOfWork;

    /// <exception cref="ConfigurationException">MST1002: it cannot be called. MST3102: it asks for what is not there.</exception>
    public void Compile(Func<Type, bool> isService)
    {
        _handler = Internal.Handler.Compile(Handler.Name, declared, isService, given: Definition.Facts);
        if (_handler.Context is not (HandlerContext.UnitOfWork or HandlerContext.Outbound))
            throw new ConfigurationException("MST1002", $"The handler of '{Handler.Name}' must take a UnitOfWork or an Outbound, for example ({Definition.Input.Name} input, UnitOfWork work) => ….");
        Definition.CheckAsked(Item, _handler.Asked, isUndo);
    }

    public override async Task<object?> InvokeAsync(object?[] facts, Func<IServiceProvider, object> context, IServiceScopeFactory services, CancellationToken cancellation)
    {
        await using var scope = services.CreateAsyncScope();
        return await _handler.InvokeAsync(facts, context(scope.ServiceProvider), scope.ServiceProvider, cancellation);
    }

    private static JsonElement Element(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    public override Task EndAsync(UnitOfWork work, SagaWalk walk, ClaimedJob job, object? result)
    {
        if (isUndo)
            walk.Undone((SagaStep)Item, job.Id);
        else
            walk.Done((SagaStep)Item, job.Id, result is null || Result is null ? null : Element(StoredJson.Write(result, Result)));
        return Task.CompletedTask;
    }
}

/// <summary>Ends a wait whose time is over.</summary>
internal sealed class SagaTimerPart(SagaDefinition definition) : SagaPart(definition)
{
    public override bool IsTransactional => true;

    public override Task<object?> InvokeAsync(object?[] facts, Func<IServiceProvider, object> context, IServiceScopeFactory services, CancellationToken cancellation) => Task.FromResult<object?>(null);

    public override async Task EndAsync(UnitOfWork work, SagaWalk walk, ClaimedJob job, object? result)
    {
        var wait = (SagaWait)Item;
        if (wait.Late == SagaLate.Continue)
            walk.TimedOut(wait, job.Id);
        else
            await SagaMoves.TurnAsync(work, walk, $"'{wait.Name}' did not come within {wait.Time}.", job.Id, claims: 0);
    }
}
