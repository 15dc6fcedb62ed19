namespace Mainstay.Benchmarks;

/// <summary>What a program under test has done, by its own clock.</summary>
/// <param name="Count">How many jobs.</param>
/// <param name="Seconds">From the first to the last.</param>
/// <param name="Milliseconds50">Half of them took at most this long.</param>
/// <param name="Milliseconds99">99 of 100 took at most this long.</param>
internal sealed record JobsDone(long Count, double Seconds, double Milliseconds50, double Milliseconds99)
{
    public static JobsDone Of(double seconds, double[] milliseconds)
    {
        Array.Sort(milliseconds);
        return new(milliseconds.Length, seconds, milliseconds[milliseconds.Length / 2], milliseconds[milliseconds.Length * 99 / 100]);
    }
}
