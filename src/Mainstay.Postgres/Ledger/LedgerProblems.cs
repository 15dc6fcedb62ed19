using Mainstay.Internal;

namespace Mainstay;

/// <summary>The refusals of the ledger, for <c>Refuses(…)</c> of a command and for whoever answers them in another way. Nothing was recorded.</summary>
public static class LedgerProblems
{
    /// <summary><c>insufficient-funds</c>, 409: less would be left on an account than must be.</summary>
    public static ProblemType InsufficientFunds => ProblemCatalogue.InsufficientFunds;

    /// <summary><c>account-closed</c>, 409: an account takes no more transfers.</summary>
    public static ProblemType AccountClosed => ProblemCatalogue.AccountClosed;

    /// <summary><c>account-not-empty</c>, 409: an account cannot be closed while there is something on it.</summary>
    public static ProblemType AccountNotEmpty => ProblemCatalogue.AccountNotEmpty;

    /// <summary><c>hold-ended</c>, 409: a hold has been captured or released, or has expired.</summary>
    public static ProblemType HoldEnded => ProblemCatalogue.HoldEnded;

    /// <summary><c>transfer-reversed</c>, 409: a transfer has been reversed before.</summary>
    public static ProblemType TransferReversed => ProblemCatalogue.TransferReversed;

    /// <summary><c>transfer-reused</c>, 422: the id or the key belongs to another transfer, hold or account.</summary>
    public static ProblemType TransferReused => ProblemCatalogue.TransferReused;

    /// <summary><c>unbalanced-transfer</c>, 422: the entries do not sum to zero in each currency.</summary>
    public static ProblemType UnbalancedTransfer => ProblemCatalogue.UnbalancedTransfer;

    /// <summary><c>invalid-amount</c>, 422: an amount is not more than zero, too large, or has too many decimals.</summary>
    public static ProblemType InvalidAmount => ProblemCatalogue.InvalidAmount;

    /// <summary><c>hold-exceeded</c>, 422: a transfer takes more than is held.</summary>
    public static ProblemType HoldExceeded => ProblemCatalogue.HoldExceeded;
}
