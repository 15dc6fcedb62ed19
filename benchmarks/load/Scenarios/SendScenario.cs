namespace Mainstay.Benchmarks;

/// <summary>Jobs from being recorded, each in a commit of its own, to having run in the same process, beside what .NET applications use otherwise.</summary>
internal static class SendScenario
{
    public static readonly Plan Usual = new(Rounds: 1, Pairs: 6, Seconds: 2, WarmUpSeconds: 4, 16);

    // For about as many seconds as the plan says on two cores.
    private const int Sent = 5_000, Scheduled = 150;

    public static async Task<Section> RunAsync(Plan plan)
    {
        Contestant[] contestants = Broker.Missing is null ? [Contestant.Jobs, Contestant.MassTransit, Contestant.Quartz] : [Contestant.Jobs, Contestant.Quartz];
        await using var field = await JobsField.StartAsync(contestants);
        var series = await Turns.TakeAsync(plan, new Question("send and run", field.Runners((server, writers, seconds) => SendAsync(field, server, writers, seconds))));
        return new Section("Jobs from sending to having run", $"""
            Medians of {plan.Pairs} runs, taken in turn, of {plan.Seconds * Sent:N0} jobs that do nothing, of Quartz {plan.Seconds * Scheduled:N0}. Each sender waits until its job is durable before it sends the next; the same process runs
            them meanwhile. A rate counts from the first send to the last run, a time from before a send to its run. Every job is run once and ended, or it is an error. Processor times count from the start of
            the worker to its end; "of the store" is PostgreSQL's, for MassTransit RabbitMQ's.{(Broker.Missing is { } missing ? $"\n\n**MassTransit was left out.** {missing}" : "")}

            {RatioTable.Of(series, field[contestants[1]].Name, "job", "senders", "the store")}

            Mainstay: one `EnqueueAsync` for each job, so one transaction; 16 workers and its usual settings, history included. MassTransit publishes to a durable classic queue, messages are persistent and each is confirmed by the broker
            before the next; 200 are fetched ahead, 32 handled at once, no outbox. RabbitMQ confirms a persistent message when it is on disk or when a consumer has acknowledged it, whichever comes first. Quartz is
            clustered, with a job and a trigger for each send, which are inserted without the lock of the cluster, 20 threads, batches of 20 and a wait of 1 s when idle.
            """, field.Versions, [.. series.SelectMany(Promises)]);
    }

    private static IEnumerable<Finding> Promises(Series series)
    {
        if (Broker.Missing is { } missing)
            yield return new($"Jobs sent and run by {series.Connections} senders, Mainstay divided by MassTransit with RabbitMQ: at least 1.20", missing, Verdict.Undecided);
        else
            yield return Finding.AtLeast(1.2, $"Jobs sent and run by {series.Connections} senders, Mainstay divided by MassTransit with RabbitMQ", series.Compare(Contestant.Jobs.Name, Contestant.MassTransit.Name).Rate);
        yield return Finding.AtLeast(30, $"Jobs sent and run by {series.Connections} senders, Mainstay divided by Quartz, clustered", series.Compare(Contestant.Jobs.Name, Contestant.Quartz.Name).Rate);
    }

    private static async Task<Measured> SendAsync(JobsField field, ServerProcess server, int writers, int seconds)
    {
        await field.ClearAsync(server);
        var run = await field.RunAsync(server, $"send?count={seconds * (server.Name == Contestant.Quartz.Name ? Scheduled : Sent)}&writers={writers}");
        await field.CheckEmptyAsync(server);
        return run;
    }
}
