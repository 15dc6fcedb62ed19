namespace Mainstay;

/// <summary>What becomes of planned times that pass while no node is there to see them. A time is missed when a later one has come as well, or when it is found more than a minute late.</summary>
public enum Missed
{
    /// <summary>One run stands for all of them, however many they are.</summary>
    Once,

    /// <summary>They are left out; the next run is at the next planned time.</summary>
    Skip,

    /// <summary>Each has its run, for the newest hundred. They run one after the other unless they may overlap.</summary>
    All,
}
