namespace Mainstay;

/// <summary>What a ledger counts: a currency, points, shares. Amounts are whole numbers of its smallest unit, so that nothing is ever rounded.</summary>
/// <param name="Code">The stored name, for example <c>EUR</c>.</param>
/// <param name="Decimals">How many decimals an amount has, 0 to 18: with 2, the amount 1234 is 12.34.</param>
public sealed record LedgerCurrency(string Code, int Decimals)
{
    internal const int DecimalsMost = 18;

    private decimal Scale
    {
        get
        {
            var scale = 1m;
            for (var i = 0; i < Decimals; i++)
                scale *= 10;
            return scale;
        }
    }

    /// <summary>An amount in the smallest unit: 12.34 is 1234 in a currency of 2 decimals.</summary>
    /// <exception cref="ProblemException"><c>invalid-amount</c>: it has more decimals than the currency, or is too large.</exception>
    public long Units(decimal amount)
    {
        try
        {
            var units = amount * Scale;
            if (units == decimal.Truncate(units))
                return decimal.ToInt64(units);
        }
        catch (OverflowException)
        {
            throw LedgerProblems.InvalidAmount.Because($"An amount of {Code} is too large. Amounts have at most 18 digits.");
        }
        throw LedgerProblems.InvalidAmount.Because($"An amount of {Code} has more than {Decimals} decimals. Round it before.");
    }

    /// <summary>The decimal amount of so many of the smallest unit, with all its decimals: 1230 is 12.30.</summary>
    public decimal Amount(long units)
    {
        var magnitude = units < 0 ? unchecked((ulong)-units) : (ulong)units;
        return new decimal(unchecked((int)magnitude), unchecked((int)(magnitude >> 32)), 0, units < 0, (byte)Decimals);
    }
}
