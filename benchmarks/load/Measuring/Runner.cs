namespace Mainstay.Benchmarks;

/// <summary>Something that can be put under load.</summary>
/// <param name="Name">For the table.</param>
/// <param name="RunAsync">One run: connections, seconds.</param>
internal sealed record Runner(string Name, Func<int, int, Task<Measured>> RunAsync);

/// <summary>What several are asked.</summary>
/// <param name="Name">For the table.</param>
/// <param name="Runners">They take turns.</param>
internal sealed record Question(string Name, IReadOnlyList<Runner> Runners);
