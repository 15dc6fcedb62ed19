namespace Mainstay.Benchmarks;

/// <summary>What the load consists of: one request, again and again.</summary>
/// <param name="Name">For the table.</param>
/// <param name="Target">Path and query.</param>
internal sealed record LoadRequest(string Name, string Target);
