namespace Mainstay;

/// <summary>
/// Which work of a queue goes first. Seven of eight claims of a node begin with the highest priority; the eighth begins with normal or low work, in turn, so that nothing
/// waits for ever.
/// </summary>
public enum JobPriority
{
    /// <summary>Before other work of its queue.</summary>
    High = -1,

    /// <summary>What says nothing.</summary>
    Normal = 0,

    /// <summary>After other work of its queue.</summary>
    Low = 1,
}
