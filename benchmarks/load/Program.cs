using Mainstay.Benchmarks;

// Servers under load from wrk, side by side in one run. From the root of the repository:
//   dotnet run -c Release --project benchmarks/load -- reads       [--pairs 9] [--seconds 3] [--warm-up 4] [--connections 16,64]
//   dotnet run -c Release --project benchmarks/load -- strictness  [--rounds 4] [--pairs 25] [--seconds 1] [--warm-up 4] [--connections 16]
// The table goes to benchmarks/results. Exit code: 0 the promise holds, 1 it does not, 2 this run cannot tell, or could not measure.

try
{
    return args switch
    {
        ["reads", .. var options] => await ReadsScenario.RunAsync(options),
        ["peers", .. var options] => await PeersScenario.RunAsync(options),
        ["strictness", .. var options] => await StrictnessScenario.RunAsync(options),
        ["serve", var name, .. var settings] => await Contestant.Named(name).RunAsync(settings),
        _ => throw new MeasurementException("Expected the name of a scenario: reads, strictness."),
    };
}
catch (MeasurementException e)
{
    await Console.Error.WriteLineAsync(e.Message);
    return (int)Verdict.Undecided;
}
