using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>One line of a transfer: an account and what happens on it. Made by <see cref="Debit"/> and <see cref="Credit"/>.</summary>
public readonly record struct LedgerEntry
{
    private LedgerEntry(Id<LedgerAccount> account, long amount) => (Account, Amount) = (account, amount);

    /// <summary>The account.</summary>
    public Id<LedgerAccount> Account { get; }

    /// <summary>The amount in whole units of the account's currency. Debits are positive, credits negative.</summary>
    public long Amount { get; }

    /// <summary>Debits an account: more of what it is if debits increase it, less otherwise.</summary>
    /// <exception cref="ProblemException"><c>invalid-amount</c>: it is not more than zero.</exception>
    public static LedgerEntry Debit(Id<LedgerAccount> account, long amount) => new(account, Checked(amount));

    /// <summary>Credits an account: more of what it is if credits increase it, less otherwise.</summary>
    /// <exception cref="ProblemException"><c>invalid-amount</c>: it is not more than zero.</exception>
    public static LedgerEntry Credit(Id<LedgerAccount> account, long amount) => new(account, -Checked(amount));

    internal static LedgerEntry Of(Id<LedgerAccount> account, long amount) => new(account, amount);

    private static long Checked(long amount) => amount > 0 ? amount : throw LedgerProblems.InvalidAmount.Because($"The amount of an entry is {amount}, expected more than zero. Debit and credit say the direction.");

    /// <summary>What an entry or a hold may move: 18 digits.</summary>
    internal const long AmountMost = 999_999_999_999_999_999;
}

/// <summary>What becomes of the rest of a hold that is captured.</summary>
public enum LedgerRest
{
    /// <summary>It is released: the hold has ended.</summary>
    Released,

    /// <summary>It stays held, to be captured later.</summary>
    Held,
}

/// <summary>
/// Something that happened: two or more entries, which sum to zero in each currency. It is recorded once, and never changed: a repetition with the same <see cref="Id"/> or <see cref="Key"/> and
/// the same content gives what was recorded first.
/// </summary>
public sealed record LedgerTransfer
{
    internal const int EntriesMost = 1000;
    internal const int KeyMost = 200;
    internal const int TextMost = 1000;
    internal const int MetadataMost = 16 * 1024;

    /// <summary>A transfer of these entries: 2 to 1000.</summary>
    public LedgerTransfer(params IReadOnlyList<LedgerEntry> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        Entries = entries;
    }

    /// <summary>The entries, in any order.</summary>
    public IReadOnlyList<LedgerEntry> Entries { get; }

    /// <summary>Its id; by it a repetition is known. Default: a new one.</summary>
    public Id<LedgerTransfer> Id { get; init; } = Id<LedgerTransfer>.New();

    /// <summary>What else it is known by, unique: the number of an order or the key of a request, for example. At most 200 characters. Default: nothing.</summary>
    public string? Key { get; init; }

    /// <summary>When it counts, in the past or in the future; balances as of a time follow it. Default: when it is recorded.</summary>
    public DateTimeOffset? EffectiveAt { get; init; }

    /// <summary>For people. At most 1000 characters. Default: nothing.</summary>
    public string? Description { get; init; }

    /// <summary>For the application: what it is about. Not unique; at most 1000 characters. Default: nothing.</summary>
    public string? Reference { get; init; }

    /// <summary>Whatever else belongs to it, of at most 16 KiB as JSON. Default: nothing.</summary>
    public JsonElement? Metadata { get; init; }

    /// <summary>The hold that it captures. What it takes from the account of the hold is at most what is held. Default: none.</summary>
    public Id<LedgerHold>? Captures { get; init; }

    /// <summary>What becomes of the rest of that hold. Default: it is released.</summary>
    public LedgerRest Rest { get; init; } = LedgerRest.Released;

    /// <summary>The transfer that this one takes back. Set by <c>ReverseAsync</c>.</summary>
    public Id<LedgerTransfer>? Reverses { get; internal init; }

    /// <summary>A transfer of one amount between two accounts of one currency. From a wallet to another: debit the wallet it leaves, credit the one it comes to.</summary>
    /// <exception cref="ProblemException"><c>invalid-amount</c>: it is not more than zero.</exception>
    public static LedgerTransfer Between(Id<LedgerAccount> debit, Id<LedgerAccount> credit, long amount) => new(LedgerEntry.Debit(debit, amount), LedgerEntry.Credit(credit, amount));

    /// <exception cref="ProblemException">What can be seen without looking at the accounts.</exception>
    internal void Check()
    {
        if (Entries.Count is < 2 or > EntriesMost)
            throw LedgerProblems.UnbalancedTransfer.Because($"A transfer has {Entries.Count} entries, expected 2 to {EntriesMost}.");
        if (Entries.Any(entry => entry.Amount == 0))
            throw LedgerProblems.InvalidAmount.Because("An entry has no amount. Make entries by Debit and Credit.");
        if (Entries.Any(entry => entry.Amount is < -LedgerEntry.AmountMost or > LedgerEntry.AmountMost))
            throw LedgerProblems.InvalidAmount.Because("An amount is too large. Amounts have at most 18 digits.");
        if (Key is not null && string.IsNullOrWhiteSpace(Key))
            throw new ArgumentException("Key is blank, expected null or what the transfer is known by. All transfers with the same key are one.");
        Require(Key, KeyMost, nameof(Key));
        Require(Description, TextMost, nameof(Description));
        Require(Reference, TextMost, nameof(Reference));
        if (Metadata is { } metadata && System.Text.Encoding.UTF8.GetByteCount(metadata.GetRawText()) is var bytes && bytes > MetadataMost)
            throw new ArgumentException($"The metadata of a transfer has {bytes} bytes, expected at most {MetadataMost}. Store what is large in a table, and refer to it.");
        var faults = new InputFaults();
        DocumentShape.Check(Metadata ?? default, JsonPath.Root, faults);
        if (faults.Any)
            throw new ArgumentException($"The metadata of a transfer cannot be stored, at '{faults.Errors[0].Pointer}': {faults.Errors[0].Detail}");
    }

    /// <exception cref="ArgumentException">A text is too long, or PostgreSQL cannot store it.</exception>
    internal static void Require(string? text, int most, string name)
    {
        if (text?.Length > most)
            throw new ArgumentException($"{name} has {text.Length} characters, expected at most {most}.");
        if (text is not null && !StrictText.IsValid(text))
            throw new ArgumentException($"{name} has U+0000 or an unpaired surrogate, expected Unicode text.");
    }
}

/// <summary>A transfer as it was recorded, and what belongs to it since.</summary>
/// <param name="Transfer">What it says.</param>
/// <param name="At">When it was recorded, by the database's clock.</param>
/// <param name="ReversedBy">The transfer that has taken it back, if one has.</param>
/// <param name="Cause">What caused it, as JSON: <c>operation</c> and <c>actor</c>, and <c>requestId</c>, <c>traceParent</c>, <c>causationId</c>, <c>correlationId</c> where there are any. Null for plain SQL that did not say.</param>
public sealed record LedgerRecord(LedgerTransfer Transfer, DateTimeOffset At, Id<LedgerTransfer>? ReversedBy, JsonElement? Cause);

/// <summary>A transfer that is recorded now, or was before.</summary>
/// <param name="Transfer">Its id: of a repetition by key, that of the first.</param>
/// <param name="At">When it was recorded, by the database's clock.</param>
/// <param name="IsNew">False for the repetition of one that was recorded before. After a lost connection it may be false for the first one too.</param>
public sealed record LedgerPosting(Id<LedgerTransfer> Transfer, DateTimeOffset At, bool IsNew);
