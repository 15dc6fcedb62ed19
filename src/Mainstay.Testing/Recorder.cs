using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// What was published, enqueued and done, read from what triggers of the test's database have noted: so it is what was committed, by whomever, on whichever node, in
/// its order. Read synchronously, because it is asked for in the middle of assertions and the server is on this machine.
/// </summary>
internal sealed class Recorder(TestRun run, Func<TestNode> node)
{
    private const string SentTo = "select payload, message from mainstay_testing.sent where handler = any($1) order by number";

    private const string AppliedBy = """
        select sent.handler, sent.payload, applied.attempt, applied.job from mainstay_testing.applied join mainstay_testing.sent using (job)
        where $1 is null or sent.handler = $1 order by applied.number
        """;

    private const string Forgotten = "truncate mainstay_testing.applied, mainstay_testing.sent";

    public IReadOnlyList<T> Published<T>()
    {
        // One of its rows for each event, whoever listens.
        var handlers = Handlers.Where(handler => !handler.IsJob && handler.Input == typeof(T)).Select(handler => handler.Name).ToArray();
        if (handlers.Length == 0)
            throw new InvalidOperationException($"Nobody subscribes to {typeof(T).Name}, so an event of it leaves nothing behind that could be recorded. Declare a subscription with On(…).");
        var seen = new HashSet<Guid>();
        return [.. Sent<T>(handlers).Where(sent => sent.Message is { } message && seen.Add(message)).Select(sent => sent.Value)];
    }

    public IReadOnlyList<T> Enqueued<T>()
    {
        var job = Handlers.SingleOrDefault(handler => handler.JobType == typeof(T))
            ?? throw new InvalidOperationException($"{typeof(T).Name} is not declared as a job.{Suggestion.For(typeof(T).Name, Handlers.Select(handler => handler.JobType?.Name).OfType<string>())}");
        return [.. Sent<T>([job.Name]).Select(sent => sent.Value)];
    }

    public IReadOnlyList<AppliedWork> Applied(string? handler)
    {
        var inputs = Handlers.ToDictionary(declared => declared.Name, declared => declared.Input);
        if (handler is not null && !inputs.ContainsKey(handler))
            throw new ArgumentException($"There is no handler '{handler}'.{Suggestion.For(handler, inputs.Keys)}", nameof(handler));
        using var connection = run.Own.OpenConnection();
        using var command = new NpgsqlCommand(AppliedBy, connection);
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = handler, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        using var reader = command.ExecuteReader();
        List<AppliedWork> applied = [];
        while (reader.Read())
            applied.Add(new AppliedWork(reader.GetString(0), inputs.GetValueOrDefault(reader.GetString(0)) is { } type ? StoredJson.Read(type, reader.GetString(1)) : null, reader.GetInt32(2), reader.GetGuid(3)));
        return applied;
    }

    public void Forget()
    {
        using var connection = run.Own.OpenConnection();
        using var command = new NpgsqlCommand(Forgotten, connection);
        command.ExecuteNonQuery();
    }

    private IReadOnlyList<QueueHandler> Handlers => node().Queues.Handlers;

    private List<(T Value, Guid? Message)> Sent<T>(string[] handlers)
    {
        using var connection = run.Own.OpenConnection();
        using var command = new NpgsqlCommand(SentTo, connection);
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = handlers });
        using var reader = command.ExecuteReader();
        List<(T, Guid?)> sent = [];
        while (reader.Read())
            sent.Add(((T)StoredJson.Read(typeof(T), reader.GetString(0))!, reader.IsDBNull(1) ? null : reader.GetGuid(1)));
        return sent;
    }
}
