using System.ComponentModel.DataAnnotations;
using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>
/// What the library and the store leave out: everything that a declaration adds to the plain operations. Limits of rates are far away, except for one that
/// is met within a run.
/// </summary>
internal static class Workshop
{
    public static void Declare(Backend workshop)
    {
        TestSignIn.AddTo(workshop);
        var maker = Policy.Role("maker");
        var worn = workshop.Problem("worn-out", 409, "The tool is worn out");

        workshop.Cors("https://app.example.com");
        workshop.Resource<Tool>("/v1/tools")
            .Filterable(tool => tool.Kind, tool => tool.Wear)
            .Sortable(tool => tool.Name, tool => tool.Wear)
            .Searchable(SearchLanguage.English, tool => tool.Name, tool => tool.Manual)
            .OffsetPages()
            .Counts()
            .Cache(TimeSpan.FromSeconds(30))
            .RateLimit(1_000_000, TimeSpan.FromHours(1), "tools")
            .AllowRead(Policy.Anyone).AllowWrite(maker);
        workshop.Resource<Job>("/v1/jobs")
            .BelongsTo(job => job.ToolId)
            .Counts()
            .RequireIfMatch()
            .RequireIdempotencyKey()
            .AllowRead(Policy.SignedIn).AllowWrite(Policy.SignedIn);
        workshop.Resource<Bin>("/v1/bins")
            .Unique(bin => bin.Label)
            .Deprecated(new DateOnly(2026, 1, 31), new DateOnly(2999, 12, 31), "https://example.com/changes#bins", "/v1/tools")
            .AllowRead(Policy.Anyone).AllowWrite(maker);

        workshop.Command("POST /v1/tools/{id}/sharpen", async (Sharpen input, UnitOfWork work) => Change(work, await work.LockAsync(input.Id), tool => tool with { Wear = 0 }))
            .Allow(maker).Refuses(worn);
        workshop.Command("POST /v1/tools/{id}/use", async Task<Tool?> (Use input, UnitOfWork work) =>
            {
                var tool = await work.LockAsync(input.Id);
                if (tool.Wear > 900)
                    throw worn.Because("Sharpen it first.");
                return input.Times == 1 ? null : Change(work, tool, used => used with { Wear = used.Wear + input.Times });
            })
            .Allow(maker).Refuses(worn).Deprecated(new DateOnly(2026, 1, 31));
        workshop.Command("POST /v1/tools/copy", async (Copy input, UnitOfWork work) =>
            {
                var tool = await work.RequireAsync(input.Of) with { Id = Id<Tool>.New() };
                work.Insert(tool);
                return tool;
            })
            .Allow(maker).RequireIdempotencyKey();
        workshop.Command("POST /v1/tools/sort", (Sort input, UnitOfWork work) => input.Names.Order(StringComparer.Ordinal).Select(name => new Shelf(name)).ToArray()).Allow(Policy.Anyone);

        // Slow in the database, so that it can be cancelled while it runs.
        workshop.Command("POST /v1/stocktakings", async (Count input, UnitOfWork work) =>
            {
                if (input.Least > 500)
                    throw worn.Because("There are never so many.");
                return (await work.QueryAsync<Stock>($"select count(*)::int as tools from tools, (select pg_sleep(0.1)) as slow where wear >= {input.Least}")).Single();
            })
            .LongRunning().Allow(Policy.SignedIn).Refuses(worn);
        workshop.Command("POST /v1/deliveries", (Deliver input, UnitOfWork work) =>
            {
                var bin = new Bin(Id<Bin>.New(), input.Label);
                work.Insert(bin);
                return bin;
            })
            .LongRunning(TimeSpan.FromSeconds(20)).Allow(maker).RequireIdempotencyKey();
        workshop.Command("POST /v1/cleanings", (UnitOfWork work) => { })
            .LongRunning().Allow(Policy.SignedIn).Deprecated(new DateOnly(2026, 1, 31), successor: "/v1/stocktakings");

        workshop.Query("GET /v1/prices", () => Enumerable.Range(1, 100).Select(number => new Price($"Tool {number}", number)).ToArray())
            .Allow(Policy.Anyone).Cache(TimeSpan.FromHours(1));
        workshop.Query("GET /v1/whistle", () => new Shelf("Who whistles too often is not heard.")).Allow(Policy.Anyone).RateLimit(1, TimeSpan.FromSeconds(1), "whistles");
    }

    private static Tool Change(UnitOfWork work, Tool tool, Func<Tool, Tool> change)
    {
        var changed = change(tool);
        work.Update(changed);
        return changed;
    }

    internal enum Kind { Saw, Hammer, ScrewDriver }

    internal sealed record Tool(Id<Tool> Id, [MaxLength(100)] string Name, Kind Kind, [MaxLength(4_000)] string? Manual = null, [Range(0, 1000)] int Wear = 0);

    internal sealed record Job(Id<Job> Id, Id<Tool> ToolId, [MaxLength(200)] string What, DateOnly? Due = null);

    internal sealed record Bin(Id<Bin> Id, [MaxLength(60)] string Label);

    internal sealed record Sharpen(Id<Tool> Id);

    internal sealed record Use(Id<Tool> Id, [Range(1, 9)] int Times);

    internal sealed record Copy(Id<Tool> Of);

    internal sealed record Sort([MaxLength(200)] IReadOnlyList<string> Names);

    internal sealed record Shelf(string Name);

    internal sealed record Count([Range(0, 1000)] int Least);

    internal sealed record Stock(int Tools);

    internal sealed record Deliver([MaxLength(60)] string Label);

    internal sealed record Price(string Of, decimal Amount);
}
