namespace Mainstay.Internal;

/// <summary>One line of a definition. A saga goes through them from the first to the last; what stands in a branch that was not taken is passed over.</summary>
internal abstract class SagaItem(string name)
{
    public string Name { get; } = name;

    /// <summary>The branches that it stands in, and which side of them.</summary>
    public required IReadOnlyList<(SagaBranch Branch, bool Side)> Within { get; init; }

    /// <summary>What it gives to those behind it; null for nothing.</summary>
    public virtual Type? Gives => null;

    /// <summary>Whether a saga can go past it without its having given that, although its branch was taken.</summary>
    public virtual bool MayGiveNothing => false;

    /// <summary>For the digest of the definition, and for the message when that has changed.</summary>
    public abstract string Describe();

    protected string Describe(string what) => Within.Count == 0 ? what : $"{string.Join(", ", Within.Select(branch => branch.Side ? $"if {branch.Branch.Name}" : $"if not {branch.Branch.Name}"))}: {what}";
}

/// <summary>Something to be done, and perhaps to be undone.</summary>
internal sealed class SagaStep(string name) : SagaItem(name)
{
    public required SagaStepPart Do { get; init; }

    public SagaStepPart? Undo { get; init; }

    /// <summary>Which steps are done together with it; null for a step that is done alone.</summary>
    public int? Group { get; init; }

    /// <summary>Whether it is undone also when nobody knows whether it was done.</summary>
    public bool UndoIfUnknown { get; set; }

    public override Type? Gives => Do.Result;

    public override string Describe() => Describe($"{(Group is null ? "" : $"together {Group}: ")}{Name}{(Undo is null ? "" : ", can be undone")}");
}

/// <summary>A place where the way depends on what is known by then.</summary>
internal sealed class SagaBranch(string name, Delegate condition) : SagaItem(name)
{
    public Delegate Declared { get; } = condition;

    public Handler Condition { get; set; } = null!;

    public override string Describe() => Describe($"whether {Name}");
}

/// <summary>An event that has to come before the saga goes on.</summary>
internal sealed class SagaWait(string name, Type @event, Func<object, object?> key, TimeSpan time, SagaLate late) : SagaItem(name)
{
    public Type Event { get; } = @event;

    public Func<object, object?> Key { get; } = key;

    public TimeSpan Time { get; } = time;

    public SagaLate Late { get; } = late;

    public required SagaPart Timer { get; init; }

    public override Type Gives => Event;

    public override bool MayGiveNothing => Late == SagaLate.Continue;

    public override string Describe() => Describe($"wait {Name}, then {(Late == SagaLate.Continue ? "go on" : "go back")}");
}
