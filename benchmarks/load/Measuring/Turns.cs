namespace Mainstay.Benchmarks;

/// <summary>Runs that take turns, so that the machine is in much the same state for all that are compared.</summary>
internal static class Turns
{
    /// <summary>Warms everything up, then measures in rounds. The one that begins changes from round to round.</summary>
    public static async Task<List<Series>> TakeAsync(Plan plan, params Question[] questions)
    {
        foreach (var runner in questions.SelectMany(question => question.Runners))
            await runner.RunAsync(plan.Connections[^1], plan.WarmUpSeconds);

        var all = (from question in questions from connections in plan.Connections select (Question: question, Series: new Series(question.Name, connections))).ToList();
        for (var round = 0; round < plan.Pairs; round++)
            foreach (var (question, series) in all)
                for (var turn = 0; turn < question.Runners.Count; turn++)
                {
                    var runner = question.Runners[(round + turn) % question.Runners.Count];
                    var run = await runner.RunAsync(series.Connections, plan.Seconds);
                    series.Add(runner.Name, run);
                    Console.WriteLine($"round {round + 1}, {question.Name}, {series.Connections} connections, {runner.Name}: {run.PerSecond:0} requests/s, {run.ProcessorMicroseconds:0} + {run.DatabaseMicroseconds:0} µs, {run.Milliseconds99:0.0} ms");
                }
        return [.. all.Select(pair => pair.Series)];
    }
}
