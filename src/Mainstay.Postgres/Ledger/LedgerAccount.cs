namespace Mainstay;

/// <summary>What increases an account.</summary>
public enum LedgerSide
{
    /// <summary>Debits increase it: what is owned or spent, such as a bank account or expenses.</summary>
    Debit,

    /// <summary>Credits increase it: what is owed or earned, such as the wallets of customers, or fees.</summary>
    Credit,
}

/// <summary>An account as it is now. Amounts are whole units of its currency, positive in its own direction: a wallet with 12.34 € has the balance 1234.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Code">Its stored name, for example <c>wallet:ada</c>.</param>
/// <param name="Currency">What it counts.</param>
/// <param name="Side">What increases it.</param>
/// <param name="Least">What must be left on it of what is not held; null for no limit.</param>
/// <param name="IsDeferred">Whether its entries are given their numbers later, so that transfers to it do not wait for each other.</param>
/// <param name="Balance">The exact sum of its entries.</param>
/// <param name="Held">How much of that is set aside by holds that have not expired.</param>
/// <param name="OpenedAt">Since when it is there.</param>
/// <param name="ClosedAt">Since when it takes no more transfers; null while it does.</param>
public sealed record LedgerAccount(Id<LedgerAccount> Id, string Code, LedgerCurrency Currency, LedgerSide Side, long? Least, bool IsDeferred, long Balance, long Held, DateTimeOffset OpenedAt, DateTimeOffset? ClosedAt)
{
    /// <summary>How much may be taken from it now; null for any amount.</summary>
    public long? Available => Least is { } least ? checked(Balance - Held - least) : null;
}

/// <summary>An account to be opened.</summary>
/// <param name="Code">Its stored name, unique, at most 200 characters, for example <c>wallet:ada</c>.</param>
/// <param name="Currency">The code of a declared currency.</param>
/// <param name="Side">What increases it.</param>
public sealed record NewLedgerAccount(string Code, string Currency, LedgerSide Side)
{
    internal const int CodeMost = 200;

    /// <summary>Its id. Default: a new one.</summary>
    public Id<LedgerAccount> Id { get; init; } = Id<LedgerAccount>.New();

    /// <summary>What must be left on it of what is not held, in its own direction: -10000 is a credit limit of 10000 units, null no limit. Not more than 0. Default: 0, so that it does not go negative.</summary>
    public long? Least { get; init; } = 0;

    /// <summary>
    /// Lets transfers to it go on beside each other, however many there are: its entries are given their numbers later, many at once. Its balance is exact at any time. Only with <see cref="Least"/>
    /// null, and nothing can be held on it. For what nearly every transfer touches, such as fees. Default: false.
    /// </summary>
    public bool IsDeferred { get; init; }

    internal void Check()
    {
        if (string.IsNullOrWhiteSpace(Code))
            throw new ArgumentException($"The code of an account is blank, expected 1 to {CodeMost} characters.");
        LedgerTransfer.Require(Code, CodeMost, nameof(Code));
        LedgerTransfer.Require(Currency, CodeMost, nameof(Currency));
        if (Least > 0)
            throw LedgerProblems.InvalidAmount.Because($"{Least} must be left on an account, but it begins with nothing. Expected at most 0.");
        if (IsDeferred && Least is not null)
            throw new ArgumentException($"A deferred account has Least {Least}, expected null: transfers to it do not wait for each other, so none knows what is left.");
    }
}
