namespace Mainstay.Benchmarks;

/// <summary>What the load consists of.</summary>
/// <param name="Name">For the table.</param>
/// <param name="Script">The script of wrk that makes the requests.</param>
/// <param name="Lines">What the script makes them from.</param>
internal sealed record LoadRequest(string Name, string Script, string[] Lines)
{
    /// <summary>Reads of different targets in turn, so that neither a cache nor the sharing of one answer decides.</summary>
    public static LoadRequest Get(string name, IEnumerable<string> targets) => new(name, "rotate.lua", [.. targets]);

    /// <summary>Writes of different bodies in turn, each with a key of its own.</summary>
    public static LoadRequest Post(string name, string target, IEnumerable<string> bodies) => new(name, "post.lua", [target, BenchmarkSignIn.Credential, .. bodies]);
}
