using Mainstay.Internal;

namespace Mainstay;

/// <summary>What a ledger counts, and how it is kept. Checked at the start, which reports all mistakes together.</summary>
public sealed record LedgerOptions
{
    /// <summary>The database of the ledger. Default: the <c>NpgsqlDataSource</c> among the services, else the connection string <c>mainstay</c>. Not in a <see cref="Backend"/>, which has one.</summary>
    public string? ConnectionString { get; init; }

    /// <summary>The currencies. One that was declared once stays, with its decimals: another number of them refuses the start.</summary>
    public required IReadOnlyList<LedgerCurrency> Currencies { get; init; }

    /// <summary>How often entries of deferred accounts get their numbers, and expired holds are released, 10 ms to 1 min. Balances are exact at any time. Default: 1 s.</summary>
    public TimeSpan FoldInterval { get; init; } = TimeSpan.FromSeconds(1);

    internal List<ConfigurationException> Mistakes()
    {
        List<ConfigurationException> mistakes = [];
        void Expect(bool holds, string text)
        {
            if (!holds)
                mistakes.Add(new ConfigurationException("MST2901", $"LedgerOptions.{text}"));
        }
        Expect(Currencies is { Count: > 0 }, "Currencies is empty, expected at least one, for example new LedgerCurrency(\"EUR\", 2).");
        foreach (var currency in Currencies ?? [])
        {
            Expect(currency.Code is { Length: > 0 and <= 20 } code && code.All(char.IsAsciiLetterOrDigit), $"Currencies has the code '{currency.Code}', expected 1 to 20 letters and digits, for example EUR.");
            Expect(currency.Decimals is >= 0 and <= LedgerCurrency.DecimalsMost, $"Currencies has '{currency.Code}' with {currency.Decimals} decimals, expected 0 to {LedgerCurrency.DecimalsMost}.");
        }
        foreach (var group in (Currencies ?? []).GroupBy(currency => currency.Code).Where(group => group.Count() > 1))
            Expect(false, $"Currencies has '{group.Key}' {group.Count()} times. Declare it once.");
        Expect(FoldInterval >= TimeSpan.FromMilliseconds(10) && FoldInterval <= TimeSpan.FromMinutes(1), $"FoldInterval is {FoldInterval}, expected 10 ms to 1 min.");
        return mistakes;
    }
}
