using Mainstay.Internal;

namespace Mainstay;

/// <summary>Names of the places at which <see cref="TestBackend.CrashAt"/> ends a node.</summary>
public static class CrashPoint
{
    /// <summary>A transaction has everything recorded and is about to send it. Nothing of it has happened.</summary>
    public const string BeforeCommit = FaultPoint.BeforeCommit;

    /// <summary>A transaction is committed, and its node has not learned that: no answer is sent, no work begun.</summary>
    public const string AfterCommit = FaultPoint.AfterCommit;

    /// <summary>A step of an <see cref="Outbound"/> handler is about to be done.</summary>
    public const string BeforeSideEffect = FaultPoint.BeforeSideEffect;

    /// <summary>A step of an <see cref="Outbound"/> handler has been done, and that is not recorded.</summary>
    public const string AfterSideEffect = FaultPoint.AfterSideEffect;

    /// <summary>An <see cref="Outbound"/> handler has come to its end, and that is not recorded.</summary>
    public const string BeforeCompletion = FaultPoint.BeforeCompletion;

    /// <summary>The end of an <see cref="Outbound"/> handler is recorded, and its node has not learned that.</summary>
    public const string AfterCompletion = FaultPoint.AfterCompletion;
}
