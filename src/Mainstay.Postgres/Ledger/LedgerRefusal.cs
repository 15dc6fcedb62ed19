using Npgsql;

namespace Mainstay.Internal;

/// <summary>What the functions and triggers of the ledger refuse, as problems. They name what it is about in the hint.</summary>
internal static class LedgerRefusal
{
    /// <returns>Null when it is not the ledger that refuses.</returns>
    public static ProblemException? Translate(PostgresException error) => Translate(error.SqlState, error.Hint, error);

    /// <param name="state">The SQLSTATE.</param>
    /// <param name="subject">The id of what it is about.</param>
    /// <param name="inner">The error, if the statement has failed with it.</param>
    public static ProblemException? Translate(string state, string? subject, Exception? inner = null)
    {
        ProblemException Problem(ProblemType type, string detail) => new(type, detail, [], inner);
        return state switch
        {
            "MS101" => Problem(ProblemCatalogue.InsufficientFunds, $"There is not enough on {Account(subject)}. Nothing was recorded."),
            "MS102" => Problem(ProblemCatalogue.AccountClosed, $"A transfer or hold is for {Account(subject)}, which is closed. Use another one, or reopen it."),
            "MS103" => Problem(ProblemCatalogue.UnbalancedTransfer, "The entries of the transfer do not sum to zero in each currency. Add what is missing."),
            "MS104" => Problem(ProblemCatalogue.ReferenceNotFound, $"There is nothing that fits '{subject}': an account, a hold or a transfer of that id. Nothing can be held on deferred accounts."),
            "MS105" => Problem(ProblemCatalogue.HoldEnded, $"The hold '{Id<LedgerHold>(subject)}' has been captured or released, or has expired."),
            "MS106" => Problem(ProblemCatalogue.TransferReused, $"The id or the key belongs to {subject}, which has another content. Send the same content, or use a new one."),
            "MS108" => Problem(ProblemCatalogue.AccountNotEmpty, $"There is something on {Account(subject)}, or held. Transfer or release it before."),
            "MS109" => Problem(ProblemCatalogue.TransferReversed, $"The transfer has been reversed before, by '{Id<LedgerTransfer>(subject)}'."),
            "MS110" => Problem(ProblemCatalogue.HoldExceeded, $"The transfer takes more than the hold '{Id<LedgerHold>(subject)}' has, or nothing from its account."),
            PostgresErrorCodes.NumericValueOutOfRange => Problem(ProblemCatalogue.InvalidAmount, "An amount or a balance would be too large. They have at most 18 digits."),
            _ => null,
        };
    }

    private static string Account(string? subject) => $"the account '{Id<LedgerAccount>(subject)}'";

    private static string Id<T>(string? subject) => Guid.TryParse(subject, out var id) ? Mainstay.Id<T>.From(id).ToString() : subject ?? "";
}
