namespace Mainstay.Internal;

/// <summary>Limits that every operation has unless its declaration says otherwise.</summary>
internal static class OperationDefaults
{
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);
    public static readonly TimeSpan TimeoutMost = TimeSpan.FromMinutes(5);

    /// <summary>Largest request body, in bytes.</summary>
    public const int BodyBytesMost = 1024 * 1024;

    /// <summary>Largest answer of a declared command or query, in bytes. A longer one is a list without a limit, and fails.</summary>
    public const int AnswerBytesMost = 8 * 1024 * 1024;

    /// <summary>The most elements that fit into an answer: each has a character and a comma.</summary>
    public const int AnswerElementsMost = AnswerBytesMost / 2;
}
