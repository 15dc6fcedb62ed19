using System.Globalization;

namespace Mainstay;

/// <summary>
/// Thrown by a handler that has nothing to do yet: what it did is rolled back, and it runs again later. That is no failure, so it does not count as an attempt,
/// however often it happens; <see cref="HandlerDeclaration{TSelf}.GiveUpAfter"/> limits it.
/// </summary>
public sealed class SnoozeException : Exception
{
    /// <param name="time">How long; 1 ms to 30 days.</param>
    public SnoozeException(TimeSpan time) : base(string.Create(CultureInfo.InvariantCulture, $"There is nothing to do for {time.TotalSeconds:0.###} s."))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(time, TimeSpan.FromDays(30));
        Time = time;
    }

    /// <summary>How long until it runs again.</summary>
    public TimeSpan Time { get; }
}
