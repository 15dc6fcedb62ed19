namespace Mainstay;

/// <summary>What a look at the ledger has found: what must hold in every moment, whatever has crashed, and does not.</summary>
/// <param name="At">The moment that was looked at, by the database's clock.</param>
/// <param name="Findings">What does not hold. Empty when all is well.</param>
/// <param name="Unfinished">The checks that there was no time for. What they look for may be there.</param>
public sealed record LedgerReport(DateTimeOffset At, IReadOnlyList<LedgerFinding> Findings, IReadOnlyList<string> Unfinished)
{
    /// <summary>Whether everything was looked at and holds.</summary>
    public bool IsSound => Findings.Count == 0 && Unfinished.Count == 0;
}

/// <summary>Something that does not hold.</summary>
/// <param name="Check">The name of the check, for example <c>balance-of-entries</c>.</param>
/// <param name="Expected">What must hold.</param>
/// <param name="Rows">The rows of which it does not, at most 100.</param>
/// <param name="HasMore">Whether there are more than those.</param>
/// <param name="NextStep">What to do.</param>
public sealed record LedgerFinding(string Check, string Expected, IReadOnlyList<LedgerFindingRow> Rows, bool HasMore, string NextStep);

/// <summary>A row of which something does not hold.</summary>
/// <param name="Row">Its id, or what else names it.</param>
/// <param name="Detail">How it is.</param>
public sealed record LedgerFindingRow(string Row, string Detail);
