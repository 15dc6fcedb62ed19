namespace Mainstay;

/// <summary>In which order a statement lists its lines.</summary>
public enum LedgerOrder
{
    /// <summary>The first one first.</summary>
    OldestFirst,

    /// <summary>The last one first.</summary>
    NewestFirst,
}

/// <summary>Which lines of an account are asked for.</summary>
public sealed record LedgerStatement
{
    internal const int SizeMost = 1000;

    /// <summary>Only what was recorded at this time or later. Default: from the beginning.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Only what was recorded before this time. Default: until now.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>Default: the newest first.</summary>
    public LedgerOrder Order { get; init; } = LedgerOrder.NewestFirst;

    /// <summary>Goes on behind the line of this number, as <see cref="LedgerPage.Next"/> says. Default: the first page.</summary>
    public long? After { get; init; }

    /// <summary>How many lines, 1 to 1000. Default: 50.</summary>
    public int Size { get; init; } = 50;

    internal void Check() => ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)(Size - 1), (uint)(SizeMost - 1), nameof(Size));
}

/// <summary>A page of a statement.</summary>
/// <param name="Lines">The lines, in the order that was asked for.</param>
/// <param name="Next">For <see cref="LedgerStatement.After"/> of the next page; null at the end.</param>
public sealed record LedgerPage(IReadOnlyList<LedgerLine> Lines, long? Next);

/// <summary>An entry of an account. Amounts are positive in the account's own direction.</summary>
/// <param name="Number">Its number: 1 for the first of the account, without gaps.</param>
/// <param name="Transfer">The transfer that it belongs to.</param>
/// <param name="Amount">By how much the balance grew, or shrank when it is negative.</param>
/// <param name="Balance">The balance behind it.</param>
/// <param name="At">When it was recorded.</param>
/// <param name="EffectiveAt">When it counts.</param>
/// <param name="Description">What the transfer says for people.</param>
/// <param name="Reference">What the transfer says for the application.</param>
public sealed record LedgerLine(long Number, Id<LedgerTransfer> Transfer, long Amount, long Balance, DateTimeOffset At, DateTimeOffset EffectiveAt, string? Description, string? Reference);
