using System.Globalization;

namespace Mainstay.Internal;

/// <summary>What a declaration says about where its work stands among other work.</summary>
internal sealed class Placement
{
    /// <summary>Keys are parts of indexes, whose rows are limited, and are compared at every enqueue.</summary>
    private const int KeyCharactersMost = 400;

    /// <summary>Gives the key of a unique job from its record; null when the declaration names none.</summary>
    public Func<object, object?>? Unique { get; set; }

    /// <summary>For how long a unique key keeps others out; null for until its job has ended.</summary>
    public TimeSpan? UniqueFor { get; set; }

    /// <summary>Gives the lane from the record; null for work that waits for nobody.</summary>
    public Func<object, object?>? Lane { get; set; }

    /// <summary>How many of one lane may be ready or running at the same time, over all nodes.</summary>
    public int Places { get; set; } = int.MaxValue;

    /// <summary>What a dead job means for those that wait in its lane.</summary>
    public DeadHead AfterDeath { get; set; } = DeadHead.Skip;

    /// <summary>Of what does not say itself; null for a handler that knows no priorities.</summary>
    public JobPriority? Priority { get; set; }

    /// <summary>The time between two beginnings in one lane in the long run; null for none.</summary>
    public TimeSpan? Spacing { get; set; }

    /// <summary>Gives the tenant from the record; null for work that stands in the order in which it came.</summary>
    public Func<object, object?>? Tenant { get; set; }

    /// <summary>Whether nodes have to decide about what arrives.</summary>
    public bool IsAdmitted => Lane is not null || Tenant is not null;

    /// <summary>Whether they have to decide again about what waits in a lane when its turn has come.</summary>
    public bool AsksForTurns => Spacing is not null || Tenant is not null;

    public JobRow Place(JobRow row, object input) => !IsAdmitted && Priority is null ? row : row with { Lane = TextOf(row.Handler, Lane, input), Tenant = TextOf(row.Handler, Tenant, input), Priority = Priority ?? JobPriority.Normal };

    /// <param name="handler">The stored name of the job.</param>
    /// <param name="input">Its record.</param>
    /// <param name="given">The key that whoever enqueues it gives; wins over what is declared.</param>
    public UniqueKey? UniqueOf(string handler, object input, string? given) =>
        (given is null ? TextOf(handler, Unique, input) : Checked(handler, given)) is { } key ? new UniqueKey(key, UniqueFor) : null;

    /// <param name="handler">The stored name of the job.</param>
    /// <param name="given">What whoever enqueues it says.</param>
    /// <exception cref="InvalidOperationException">MST2514: the handler knows no priorities.</exception>
    public JobPriority PriorityOf(string handler, JobPriority? given) => given is not null && Priority is null
        ? throw new InvalidOperationException($"MST2514: A job of '{handler}' is enqueued with a priority, but its declaration knows none, so that claims would not look for it. Declare it with .Priority(JobPriority.Normal).")
        : given ?? Priority ?? JobPriority.Normal;

    private static string? TextOf(string handler, Func<object, object?>? key, object input) => key?.Invoke(input) switch
    {
        null => null,
        IFormattable value => Checked(handler, value.ToString(null, CultureInfo.InvariantCulture)),
        var value => Checked(handler, value.ToString() ?? ""),
    };

    private static string Checked(string handler, string key) => key.Length <= KeyCharactersMost
        ? key
        : throw new ArgumentException($"MST2511: A key of '{handler}' has {key.Length} characters, expected at most {KeyCharactersMost}. Take an id, or a hash of the text.");
}
