namespace Mainstay.Internal;

/// <summary>Where a saga stands, as it is stored in its row.</summary>
/// <param name="Place">The number of the item that it has come to.</param>
/// <param name="Pending">The jobs that it has: steps to be done or undone, and times after which it does not wait any longer.</param>
/// <param name="Turned">Why it goes back; null while it goes forward.</param>
/// <param name="Log">What has happened, oldest first.</param>
internal sealed record SagaState(int Place, IReadOnlyList<SagaPending> Pending, string? Turned, IReadOnlyList<SagaEntry> Log)
{
    public static SagaState Beginning { get; } = new(0, [], null, []);
}

/// <summary>A job of a saga.</summary>
/// <param name="Part">What it does: the stored name of its handler.</param>
/// <param name="Item">The step or wait that it is of.</param>
/// <param name="Job">Its id.</param>
internal sealed record SagaPending(string Part, string Item, Guid Job);
