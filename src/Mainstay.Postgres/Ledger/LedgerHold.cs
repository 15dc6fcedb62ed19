namespace Mainstay;

/// <summary>An amount that is set aside on an account: it cannot be spent otherwise until it is captured, released, or expires.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Account">Where it is held.</param>
/// <param name="Amount">How much was set aside, in whole units.</param>
/// <param name="Captured">How much of it was taken by transfers that name it.</param>
/// <param name="Open">How much is set aside now: 0 when it has ended.</param>
/// <param name="CreatedAt">When it was set aside.</param>
/// <param name="ExpiresAt">When it ends by itself; null for never.</param>
public sealed record LedgerHold(Id<LedgerHold> Id, Id<LedgerAccount> Account, long Amount, long Captured, long Open, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt);

/// <summary>A hold to be set up.</summary>
/// <param name="Account">The account, which is not deferred.</param>
/// <param name="Amount">How much to set aside, in whole units of its currency.</param>
public sealed record NewLedgerHold(Id<LedgerAccount> Account, long Amount)
{
    /// <summary>Its id; by it a repetition is known. Default: a new one.</summary>
    public Id<LedgerHold> Id { get; init; } = Id<LedgerHold>.New();

    /// <summary>How long it is held, by the database's clock. A day has 24 hours. Default: until it is captured or released.</summary>
    public TimeSpan? For { get; init; }

    /// <summary>For people. At most 1000 characters. Default: nothing.</summary>
    public string? Description { get; init; }

    /// <summary>For the application: what it is about. At most 1000 characters. Default: nothing.</summary>
    public string? Reference { get; init; }

    internal void Check()
    {
        if (Amount <= 0)
            throw LedgerProblems.InvalidAmount.Because($"The amount of a hold is {Amount}, expected more than zero.");
        if (Amount > LedgerEntry.AmountMost)
            throw LedgerProblems.InvalidAmount.Because("The amount of a hold is too large. Amounts have at most 18 digits.");
        if (For <= TimeSpan.Zero)
            throw new ArgumentException($"A hold is for {For}, expected more than zero.");
        LedgerTransfer.Require(Description, LedgerTransfer.TextMost, nameof(Description));
        LedgerTransfer.Require(Reference, LedgerTransfer.TextMost, nameof(Reference));
    }
}
