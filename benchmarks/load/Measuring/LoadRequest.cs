namespace Mainstay.Benchmarks;

/// <summary>What the load consists of.</summary>
/// <param name="Name">For the table.</param>
/// <param name="Targets">Path and query, asked for in turn, so that neither a cache nor the sharing of one answer decides.</param>
internal sealed record LoadRequest(string Name, string[] Targets);
