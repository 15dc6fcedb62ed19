using System.Collections.Frozen;

namespace Mainstay.Internal;

/// <summary>Which handlers are so far behind that nothing more shall be enqueued for them. Set by this node's watch, asked for by whoever enqueues.</summary>
internal sealed class QueuePressure
{
    private volatile FrozenDictionary<string, TimeSpan> _behind = FrozenDictionary<string, TimeSpan>.Empty;

    public void Set(IEnumerable<KeyValuePair<string, TimeSpan>> behind) => _behind = behind.ToFrozenDictionary();

    /// <exception cref="ProblemException"><c>queue-behind</c>, with the time after which it makes sense to come again.</exception>
    public void Demand(string handler)
    {
        if (_behind.TryGetValue(handler, out var retryAfter))
            throw new ProblemException(ProblemCatalogue.QueueBehind, $"'{handler}' is behind with the work it has, so this was not added to it. Nothing was changed; try again later.", []) { RetryAfter = retryAfter };
    }

    /// <inheritdoc cref="Demand(string)"/>
    public void Demand(IReadOnlyList<string> handlers)
    {
        if (_behind.Count == 0)
            return;
        foreach (var handler in handlers)
            Demand(handler);
    }
}
