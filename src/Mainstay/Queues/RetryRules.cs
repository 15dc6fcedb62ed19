namespace Mainstay.Internal;

/// <summary>The rules of one handler for runs that did not end well.</summary>
internal sealed class RetryRules
{
    private readonly Dictionary<Type, RetryRule> _byException = [];

    /// <summary>For whatever has no rule of its own.</summary>
    public RetryRule Otherwise { get; set; } = RetryRule.Backoff();

    /// <summary>How long it is tried, from when it was to run first; null for as long as there are attempts.</summary>
    public TimeSpan? GiveUpAfter { get; set; }

    public void On(Type exception, RetryRule rule) => _byException[exception] = rule;

    /// <summary>The rule of the closest class: one for <see cref="IOException"/> counts for its subclasses that have none.</summary>
    public RetryRule For(Exception error)
    {
        for (var type = error.GetType(); _byException.Count > 0 && type is not null; type = type.BaseType)
            if (_byException.TryGetValue(type, out var rule))
                return rule;
        return Otherwise;
    }

    /// <summary>Whether a job of this age is given up instead of being run, now or after a pause.</summary>
    public bool IsTooLate(TimeSpan age) => age > GiveUpAfter;
}
