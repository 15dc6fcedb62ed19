namespace Mainstay;

/// <summary>What becomes of the rest of an ordered lane when its first has died.</summary>
public enum DeadHead
{
    /// <summary>The rest waits until the dead letter is redriven or discarded.</summary>
    Block,

    /// <summary>The rest goes on without it.</summary>
    Skip,

    /// <summary>What waits in the lane then becomes dead letters with it, for the reason <c>lane</c>. What comes later begins anew.</summary>
    BuryLane,
}
