using Mainstay.Internal;

namespace Mainstay;

/// <summary>A call that a fake has received.</summary>
/// <param name="Method">The HTTP method.</param>
/// <param name="Path">Path and query.</param>
/// <param name="Headers">The headers, several lines of one name joined by commas.</param>
/// <param name="Body">The body as text; empty for none.</param>
/// <param name="Node">The number of the node that called.</param>
public sealed record FakeCall(string Method, string Path, IReadOnlyDictionary<string, string> Headers, string Body, int Node)
{
    /// <summary>The key by which the other side knows a repetition, without quotes; null when there is none.</summary>
    public string? IdempotencyKey => Headers.TryGetValue("Idempotency-Key", out var key) ? key.Trim('"') : null;

    /// <summary>The body as a record of the application.</summary>
    public T Read<T>() => (T)(StoredJson.Read(typeof(T), Body) ?? throw new InvalidOperationException($"The body is null, expected {typeof(T).Name}."));
}
