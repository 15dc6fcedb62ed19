namespace Mainstay.Internal;

/// <summary>Limits that every operation has unless its declaration says otherwise.</summary>
internal static class OperationDefaults
{
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);
    public static readonly TimeSpan TimeoutMost = TimeSpan.FromMinutes(5);

    /// <summary>Largest request body, in bytes.</summary>
    public const int BodyBytesMost = 1024 * 1024;
}
