namespace Mainstay.Benchmarks;

/// <summary>What one scenario has found out.</summary>
/// <param name="Title">The question.</param>
/// <param name="Text">Tables and what they say.</param>
/// <param name="Versions">What ran besides .NET and wrk.</param>
/// <param name="Findings">The promises that it has measured.</param>
internal sealed record Section(string Title, string Text, string Versions, params Finding[] Findings)
{
    /// <summary>Broken if one promise is, undecided if one is and none is broken.</summary>
    public static Verdict VerdictOf(IEnumerable<Finding> findings) => findings.Select(finding => finding.Verdict).ToHashSet() switch
    {
        var verdicts when verdicts.Contains(Verdict.Broken) => Verdict.Broken,
        var verdicts when verdicts.Contains(Verdict.Undecided) => Verdict.Undecided,
        _ => Verdict.Holds,
    };
}

/// <summary>A promise and what was measured.</summary>
internal sealed record Finding(string Promise, string Measured, Verdict Verdict)
{
    /// <summary>At least this ratio, as far as the noise lets one tell.</summary>
    public static Finding AtLeast(double least, string what, Ratio ratio) => new($"{what}: at least {least:0.00}", ratio.ToString(), ratio.AtLeast(least));

    /// <summary>At most this ratio, as far as the noise lets one tell.</summary>
    public static Finding AtMost(double most, string what, Ratio ratio) => new($"{what}: at most {most:0.00}", ratio.ToString(), ratio.AtMost(most));

    /// <summary>At most this value, of which the median decides.</summary>
    public static Finding AtMost(double most, string what, double measured, string unit = "") =>
        new($"{what}: at most {most:0.##}{unit}", $"{measured:0.##}{unit}", measured <= most ? Verdict.Holds : Verdict.Broken);
}
