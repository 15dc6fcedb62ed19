namespace Mainstay.Tests;

/// <summary>What begins a saga of the crash runs.</summary>
/// <param name="Key">Which.</param>
/// <param name="Refused">The number of the step that is refused; beyond the last one for none.</param>
/// <param name="Cents">How much the first step moves. The second moves twice as much, and so on.</param>
public sealed record Trip(string Key, int Refused, int Cents);

/// <summary>A step of random kind: it moves money from the customer to the shop, in the database or at a bank outside. What undoes it moves that back.</summary>
internal sealed record TripStep(string Name, bool ReachesOut)
{
    public string Undo => $"undo {Name}";
}

/// <summary>A saga of two to six such steps.</summary>
internal sealed class Trips
{
    public const string Saga = "trip";

    public const string Tables = """
        create table money (owner text primary key, cents bigint not null);
        insert into money values ('customer', 0), ('shop', 0);
        create table deeds (id bigint generated always as identity primary key, trip text not null, what text not null, cents bigint not null)
        """;

    private readonly Bank _bank;
    private readonly bool _hasKeyAndDeadline;

    public Trips(Random random, Bank bank)
    {
        _bank = bank;
        Steps = [.. Enumerable.Range(1, random.Next(2, 7)).Select(number => new TripStep($"step {number}", random.Next(2) == 0))];
        _hasKeyAndDeadline = random.Next(2) == 0;
    }

    public IReadOnlyList<TripStep> Steps { get; }

    public override string ToString() => string.Join(", ", Steps.Select(step => step.ReachesOut ? "outside" : "inside")) + (_hasKeyAndDeadline ? ", by key" : "");

    public Backend Declare()
    {
        var backend = Backend.Create("trips", []);
        var refused = backend.Problem("refused", 409, "Refused");
        var saga = backend.Saga<Trip>(Saga);
        if (_hasKeyAndDeadline)
            saga.By(trip => trip.Key).Within(TimeSpan.FromDays(1));
        for (var at = 0; at < Steps.Count; at++)
        {
            var (step, number) = (Steps[at], at);
            int CentsOf(Trip trip) => trip.Cents * (number + 1);
            void RefuseIfWanted(Trip trip)
            {
                if (trip.Refused == number)
                    throw refused.Because("Not this one.");
            }

            if (step.ReachesOut)
                saga.Step(step.Name,
                    (Trip trip, Outbound outbound) =>
                    {
                        RefuseIfWanted(trip);
                        _bank.Transfer(outbound.Key, trip.Key, step.Name, CentsOf(trip));
                    },
                    undo: (Trip trip, Outbound outbound) => _bank.Transfer(outbound.Key, trip.Key, step.Undo, -CentsOf(trip)));
            else
                saga.Step(step.Name,
                    async (Trip trip, UnitOfWork work) =>
                    {
                        await MoveAsync(trip, step.Name, CentsOf(trip), work);
                        RefuseIfWanted(trip);
                    },
                    undo: (Trip trip, UnitOfWork work) => MoveAsync(trip, step.Undo, -CentsOf(trip), work));
        }
        return backend;
    }

    /// <summary>Every second time with a round trip of its own, so that both ways to begin a transaction are met.</summary>
    private static async Task MoveAsync(Trip trip, string what, int cents, UnitOfWork work)
    {
        work.Execute($"update money set cents = cents + case owner when 'shop' then {cents} else -{cents} end");
        work.Execute($"insert into deeds (trip, what, cents) values ({trip.Key}, {what}, {cents})");
        if (cents % 2 == 0)
            await work.ExecuteAsync($"select 1");
    }
}
