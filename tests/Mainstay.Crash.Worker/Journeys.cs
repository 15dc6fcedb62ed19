using Npgsql;

namespace Mainstay.Tests;

/// <summary>A journey that is made to its end or taken back, known by its key. What happens on the way, <c>Does</c> says: <c>refuse</c>, <c>fail</c>, or nothing.</summary>
public sealed record Journey(string Key, string Does = "");

/// <summary>An event that a journey waits for.</summary>
public sealed record Boarding(string Key);

/// <summary>What a step of a journey gives.</summary>
public sealed record Ticket(string Number);

/// <summary>The saga of the fault tests: steps in transactions and outside of them, together, behind an event, refused and failing. Each leaves a row for each time that it was done, without a constraint that would hide a second one.</summary>
public static class Journeys
{
    public const string Tables = """
        create table travels (id bigint generated always as identity, key text not null, what text not null, idempotency_key text, at timestamptz not null default clock_timestamp());
        create table begun (key text primary key, does text not null)
        """;

    private static readonly TimeSpan soon = TimeSpan.FromMilliseconds(50);

    public static void Declare(JobsBuilder jobs, NodeSettings settings) => jobs.Saga<Journey>("journey").By(journey => journey.Key)
        .Step("reserve", (Journey journey, UnitOfWork work) => WriteAsync(journey, "reserve", work), undo: (Journey journey, UnitOfWork work) => WriteAsync(journey, "undo reserve", work))
        .Step("pay", async (Journey journey, Outbound outbound) =>
        {
            await CallAsync(settings, journey, "pay", outbound);
            return new Ticket(outbound.Key);
        }, undo: (Journey journey, Ticket? ticket, Outbound outbound) => CallAsync(settings, journey, "undo pay", outbound), step => step.UndoIfUnknown())
        .Together(together => together
            .Step("seat", (Journey journey, UnitOfWork work) => WriteAsync(journey, "seat", work), undo: (Journey journey, UnitOfWork work) => WriteAsync(journey, "undo seat", work))
            .Step("meal", (Journey journey, Outbound outbound) => CallAsync(settings, journey, "meal", outbound), undo: (Journey journey, Outbound outbound) => CallAsync(settings, journey, "undo meal", outbound)))
        .Wait<Boarding>("boarding", boarding => boarding.Key, within: TimeSpan.FromSeconds(1.5))
        .Step("fly", async (Journey journey, UnitOfWork work) =>
        {
            await WriteAsync(journey, "fly", work);
            if (journey.Does == "refuse")
                throw new NotSupportedException("The weather.");
        }, undo: (Journey journey, UnitOfWork work) => WriteAsync(journey, "undo fly", work), step => step.On<NotSupportedException>(RetryRule.Never))
        .Step("land", async (Journey journey, UnitOfWork work) =>
        {
            await WriteAsync(journey, "land", work);
            if (journey.Does == "fail")
                throw new IOException("The airport is closed.");
        }, options: step => step.Retry(2, soon, soon));

    private static async Task WriteAsync(Journey journey, string what, UnitOfWork work) => await work.ExecuteAsync($"insert into travels (key, what) values ({journey.Key}, {what})");

    private static async Task CallAsync(NodeSettings settings, Journey journey, string what, Outbound outbound)
    {
        await using var source = NpgsqlDataSource.Create(settings.Outside);
        await using var command = source.CreateCommand("insert into travels (key, what, idempotency_key) values ($1, $2, $3)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = journey.Key });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = what });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = outbound.Key });
        await command.ExecuteNonQueryAsync(outbound.Cancellation);
    }
}
