using System.Globalization;

namespace Mainstay.Tests;

/// <summary>What is asked of the fault tests beyond an ordinary run, by the environment.</summary>
internal static class LongForm
{
    /// <summary>MAINSTAY_CRASH_KILLS: how many kills; null in an ordinary run.</summary>
    public static int? Kills => Setting("MAINSTAY_CRASH_KILLS");

    /// <summary>MAINSTAY_CRASH_SEED: repeats the order of events.</summary>
    public static int? Seed => Setting("MAINSTAY_CRASH_SEED");

    /// <summary>How long something may take that takes so many seconds at most when it runs alone, as the long form does. Beside all other tests it gets four times as many: it must happen soon, not just at last.</summary>
    public static double Limit(double seconds) => Kills is null ? 4 * seconds : seconds;

    private static int? Setting(string name) => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value) ? value : null;
}
