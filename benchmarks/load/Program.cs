using Mainstay.Benchmarks;

// Servers and queues under load, side by side in one run. From the root of the repository:
//   dotnet run -c Release --project benchmarks/load                      all of the following
//   dotnet run -c Release --project benchmarks/load -- reads             by id, a page, a page with children: beside code written by hand
//   dotnet run -c Release --project benchmarks/load -- others            the same and POST, beside EF Core, Dapper, Fastify, Express
//   dotnet run -c Release --project benchmarks/load -- writes            a command with all guarantees, beside pgbench with the same statements
//   dotnet run -c Release --project benchmarks/load -- memory            what servers hold under load, what a read allocates
//   dotnet run -c Release --project benchmarks/load -- half-load         times at half of the load, with a fixed rate of arrivals
//   dotnet run -c Release --project benchmarks/load -- start             from the start of the process to the first answer
//   dotnet run -c Release --project benchmarks/load -- strictness        not part of all: what the strict checks cost
//   dotnet run -c Release --project benchmarks/load -- queues            not part of all, but all of the following:
//   dotnet run -c Release --project benchmarks/load -- drain             jobs that wait, beside graphile-worker, pg-boss and statements written by hand
//   dotnet run -c Release --project benchmarks/load -- enqueue           jobs recorded one by one, beside graphile-worker and pg-boss
//   dotnet run -c Release --project benchmarks/load -- send              jobs from being recorded to having run, beside MassTransit with RabbitMQ and Quartz
//   dotnet run -c Release --project benchmarks/load -- pick-up           from handing a job in to its run; delayed jobs; what a node asks that has nothing to do
//   dotnet run -c Release --project benchmarks/load -- held-snapshot     what a claim reads while somebody holds an old snapshot
//   dotnet run -c Release --project benchmarks/load -- ledger            not part of all: transfers between many accounts and on a hot one, beside pgbench and statements written naively
//   dotnet run -c Release --project benchmarks/load -- sagas             not part of all, but all of the following:
//   dotnet run -c Release --project benchmarks/load -- saga-steps        a saga of three steps beside the same steps as jobs
//   dotnet run -c Release --project benchmarks/load -- saga-statements   which statements both take, and what each costs
//   dotnet run -c Release --project benchmarks/load -- saga-limits       time limits while 100,000 sagas wait
// Options: --pairs 9 --seconds 2 --warm-up 3 --connections 16,64; fewer of them are quicker and less certain.
// The table goes to benchmarks/results. Exit code: 0 the promises hold, 1 one does not, 2 this run cannot tell, or could not measure.

try
{
    return args switch
    {
        ["serve", var name, .. var settings] => await Contestant.Named(name).RunAsync(settings),
        ["strictness", .. var options] => await StrictnessScenario.RunAsync(options),
        ["sagas", .. var options] => await Scenario.RunAsync("sagas", Scenario.Sagas, options),
        [var name, .. var options] when Scenario.All.SingleOrDefault(scenario => scenario.Name == name) is { } scenario => await Scenario.RunAsync(name, [scenario], options),
        [] => await Scenario.RunAsync("peers", Scenario.Servers, []),
        ["peers", .. var options] => await Scenario.RunAsync("peers", Scenario.Servers, options),
        ["queues", .. var options] => await Scenario.RunAsync("queues", Scenario.Queues, options),
        _ => throw new MeasurementException($"Expected peers, strictness, queues, sagas, or one of {string.Join(", ", Scenario.All.Select(scenario => scenario.Name))}."),
    };
}
catch (MeasurementException e)
{
    await Console.Error.WriteLineAsync(e.Message);
    return (int)Verdict.Undecided;
}
