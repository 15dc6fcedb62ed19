namespace Mainstay.Benchmarks;

/// <summary>One question, or several, that can be measured by name.</summary>
/// <param name="Name">On the command line.</param>
/// <param name="Usual">How much is measured unless options say otherwise.</param>
/// <param name="MeasureAsync">Starts what it needs and takes nothing with it.</param>
/// <param name="UsesWrk">Whether the load comes from there.</param>
internal sealed record Scenario(string Name, Plan Usual, Func<Plan, Task<Section>> MeasureAsync, bool UsesWrk = true)
{
    /// <summary>Requests.</summary>
    public static readonly Scenario[] Servers =
    [
        new("reads", ReadsScenario.Usual, ReadsScenario.RunAsync),
        new("others", PeersScenario.Usual, PeersScenario.RunAsync),
        new("writes", WritesScenario.Usual, WritesScenario.RunAsync),
        new("memory", MemoryScenario.Usual, MemoryScenario.RunAsync),
        new("half-load", HalfLoadScenario.Usual, HalfLoadScenario.RunAsync),
        new("start", StartScenario.Usual, StartScenario.RunAsync),
    ];

    /// <summary>Durable work in the background.</summary>
    public static readonly Scenario[] Queues =
    [
        new("drain", DrainScenario.Usual, DrainScenario.RunAsync, UsesWrk: false),
        new("enqueue", EnqueueScenario.Usual, EnqueueScenario.RunAsync, UsesWrk: false),
        new("send", SendScenario.Usual, SendScenario.RunAsync, UsesWrk: false),
        new("pick-up", PickUpScenario.Usual, PickUpScenario.RunAsync, UsesWrk: false),
        new("held-snapshot", HeldSnapshotScenario.Usual, HeldSnapshotScenario.RunAsync, UsesWrk: false),
    ];

    /// <summary>What stands on its own.</summary>
    private static readonly Scenario[] others =
    [
        new("ledger", LedgerScenario.Usual, LedgerScenario.RunAsync, UsesWrk: false),
    ];

    /// <summary>Processes of several steps.</summary>
    public static readonly Scenario[] Sagas =
    [
        new("saga-steps", SagaScenario.Usual, SagaScenario.StepsAsync, UsesWrk: false),
        new("saga-statements", SagaScenario.Usual, SagaScenario.ProfileAsync, UsesWrk: false),
        new("saga-limits", SagaScenario.Usual, SagaScenario.LimitsAsync, UsesWrk: false),
    ];

    public static IEnumerable<Scenario> All => [.. Servers, .. Queues, .. Sagas, .. others];

    /// <summary>Measures and writes the page.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string name, IReadOnlyCollection<Scenario> scenarios, string[] options)
    {
        string[] generator = scenarios.Any(scenario => scenario.UsesWrk) ? [await Wrk.VersionAsync()] : [];
        var loadBefore = ResultPage.LoadAverage();
        var sections = new List<Section>();
        foreach (var scenario in scenarios)
            sections.Add(await TryAsync(scenario, Plan.Of(options, scenario.Usual)));
        var findings = sections.SelectMany(section => section.Findings).ToArray();
        await ResultPage.WriteAsync(name, "Measured beside peers", string.Join(", ", sections.SelectMany(section => section.Versions.Split(", ", StringSplitOptions.RemoveEmptyEntries)).Distinct().Concat(generator)), $"dotnet run -c Release --project benchmarks/load -- {string.Join(' ', [name, .. options])}", loadBefore, $"""
            | promise | measured | verdict |
            |---|---|---|
            {string.Join('\n', findings.Select(finding => $"| {finding.Promise} | {finding.Measured} | {finding.Verdict.ToString().ToLowerInvariant()} |"))}

            {string.Join("\n\n", sections.Select(section => $"## {section.Title}\n\n{section.Text}"))}

            A ratio is the median of the ratios of runs that followed each other; its range holds the true median with 95 % certainty, and a promise is undecided when its limit lies inside.
            Everything shares the machine: load generator, servers and PostgreSQL. Processor times are disturbed less by neighbours than rates.
            """);
        return (int)Section.VerdictOf(findings);
    }

    /// <summary>What cannot be measured takes nothing from what can.</summary>
    private static async Task<Section> TryAsync(Scenario scenario, Plan plan)
    {
        try
        {
            return await scenario.MeasureAsync(plan);
        }
        catch (MeasurementException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return new Section(scenario.Name, $"```\n{e.Message}\n```", "", [new Finding($"{scenario.Name} can be measured", "no", Verdict.Undecided)]);
        }
    }
}
