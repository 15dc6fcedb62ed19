using System.Globalization;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>Thrown by a handler when the other side has said how long it does not want to be asked. The next attempt is not made sooner.</summary>
public sealed class RetryAfterException : Exception
{
    /// <param name="after">How long from now; at most a day counts, so that nobody else decides that work is never done.</param>
    /// <param name="message">What happened. Default: that the other side asked for the pause.</param>
    /// <param name="innerException">What said so.</param>
    public RetryAfterException(TimeSpan after, string? message = null, Exception? innerException = null)
        : base(message ?? string.Create(CultureInfo.InvariantCulture, $"The other side asked not to be tried again for {after.TotalSeconds:0.###} s."), innerException)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(after, TimeSpan.Zero);
        After = after;
    }

    /// <summary>How long from when it was thrown.</summary>
    public TimeSpan After { get; }

    /// <summary>Throws when a response refuses and carries <c>Retry-After</c>; any other response is the caller's to judge.</summary>
    /// <param name="response">What the other side answered. A date is read by the response's own <c>Date</c>, so that wrong clocks do not matter.</param>
    /// <exception cref="RetryAfterException">It asks for a pause.</exception>
    public static void ThrowIfAsked(HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        if (response.IsSuccessStatusCode || response.Headers.RetryAfter is not { } asked)
            return;
        var after = asked.Delta ?? (asked.Date - (response.Headers.Date ?? TimeProvider.System.GetUtcNow())) ?? TimeSpan.Zero;
        throw new RetryAfterException(after < TimeSpan.Zero ? TimeSpan.Zero : after, string.Create(CultureInfo.InvariantCulture, $"The other side answered {(int)response.StatusCode} and asked for {Math.Max(0, after.TotalSeconds):0} s."));
    }
}
