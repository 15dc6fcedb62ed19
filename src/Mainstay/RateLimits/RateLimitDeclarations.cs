namespace Mainstay.Internal;

/// <summary>The calls of <c>RateLimit</c> on one declaration.</summary>
internal sealed class RateLimitDeclarations
{
    private readonly List<(int Requests, TimeSpan Per, string? Name)> _declared = [];

    /// <summary>What they make together; null without any. Known once the declarations are checked.</summary>
    public RateLimits? Limits { get; private set; }

    public void Add(int requests, TimeSpan per, string? name) => _declared.Add((requests, per, name));

    /// <param name="place">What they are declared on, for messages.</param>
    /// <param name="budget">Which requests count together.</param>
    /// <exception cref="ConfigurationException">MST2201</exception>
    public void Check(string place, string budget)
    {
        if (_declared.Count > 0)
            Limits = new RateLimits(place, [.. _declared.Select(limit => RateLimitPolicy.Create(place, budget, limit.Requests, limit.Per, limit.Name))]);
    }
}
