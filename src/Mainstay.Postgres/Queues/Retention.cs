namespace Mainstay.Internal;

/// <summary>How long what has ended is kept.</summary>
/// <param name="Done">What was done.</param>
/// <param name="Dead">Dead letters.</param>
/// <param name="Discarded">Dead letters that nobody wants any more, while they can still be restored.</param>
/// <param name="Inbox">Messages from outside, while their repetitions are recognized.</param>
internal sealed record Retention(TimeSpan Done, TimeSpan Dead, TimeSpan Discarded, TimeSpan Inbox);
