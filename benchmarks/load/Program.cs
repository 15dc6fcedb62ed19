using Mainstay.Benchmarks;

// Servers under load from wrk, side by side in one run. From the root of the repository:
//   dotnet run -c Release --project benchmarks/load -- strictness [--rounds 4] [--pairs 25] [--seconds 1] [--connections 16]
// The table goes to benchmarks/results. Exit code: 0 the promise holds, 1 it does not, 2 this run cannot tell, or could not measure.

try
{
    return args switch
    {
        ["strictness", .. var options] => await StrictnessScenario.RunAsync(Plan.Of(options)),
        ["serve-shop", var checks, .. var settings] => await ShopServer.RunAsync(isStrict: checks == ShopServer.Strict, settings),
        _ => throw new MeasurementException("Expected the name of a scenario: strictness."),
    };
}
catch (MeasurementException e)
{
    await Console.Error.WriteLineAsync(e.Message);
    return (int)Verdict.Undecided;
}
