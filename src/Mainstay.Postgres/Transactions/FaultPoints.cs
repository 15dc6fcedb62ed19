namespace Mainstay.Internal;

/// <summary>Named places between two effects, at which a test can end a node. An application has none: then each of them is one comparison with null.</summary>
internal interface IFaultPoints
{
    /// <summary>Comes back unless the node ends here.</summary>
    /// <param name="point">One of <see cref="FaultPoint"/>.</param>
    /// <param name="of">The operation, subscription or job that is being done, as it stands in the audit trail; of a commit for several, that of the first.</param>
    ValueTask ReachAsync(string point, string of);
}

/// <summary>The names of the places.</summary>
internal static class FaultPoint
{
    /// <summary>Everything is recorded in memory, and the last batch has not been sent.</summary>
    public const string BeforeCommit = "before commit";

    /// <summary>It is committed, and nobody has been told.</summary>
    public const string AfterCommit = "after commit";

    /// <summary>A step of an outbound handler is about to be done.</summary>
    public const string BeforeSideEffect = "before side effect";

    /// <summary>The step has been done, and that is not recorded.</summary>
    public const string AfterSideEffect = "after side effect";

    /// <summary>An outbound handler has come to its end, and that is not recorded.</summary>
    public const string BeforeCompletion = "before completion";

    /// <summary>It is recorded, and the node does not know that yet.</summary>
    public const string AfterCompletion = "after completion";

    public static readonly string[] All = [BeforeCommit, AfterCommit, BeforeSideEffect, AfterSideEffect, BeforeCompletion, AfterCompletion];
}
