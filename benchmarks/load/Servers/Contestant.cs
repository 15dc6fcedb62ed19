using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>A server that can be put under load.</summary>
/// <param name="Name">On the command line and in the tables.</param>
internal abstract record Contestant(string Name)
{
    /// <summary>As it is delivered.</summary>
    public static readonly DotNetContestant Shop = new("shop", settings => ShopServer.RunAsync(settings));

    /// <summary>With a statement of its own for every read.</summary>
    public static readonly DotNetContestant OneByOne = new("shop, one by one", settings => ShopServer.RunAsync([.. settings, "--Mainstay:Reads:Coalesce=false"]));

    /// <summary>A node that answers requests and leaves work in the background to others.</summary>
    public static readonly DotNetContestant Answering = new("shop, no delivery", settings => ShopServer.RunAsync(settings, WithoutDelivery.Apply));

    /// <summary>With those checks off that can be switched off.</summary>
    public static readonly DotNetContestant Lenient = new("lenient", settings => ShopServer.RunAsync(settings, shop => shop.IsStrict = false));

    /// <summary>The limit: written by hand, and doing nothing but this.</summary>
    public static readonly DotNetContestant Raw = new("raw", RawServer.RunAsync);

    public static readonly DotNetContestant EntityFramework = new("EF Core", EntityFrameworkServer.RunAsync);

    public static readonly DotNetContestant Dapper = new("Dapper", DapperServer.RunAsync);

    public static readonly NodeContestant Fastify = new("Fastify", NodePeers.Servers, "fastify.js");

    public static readonly NodeContestant Express = new("Express", NodePeers.Servers, "express.js");

    /// <summary>What a start is compared with.</summary>
    public static readonly DotNetContestant Empty = new("empty", EmptyServer.RunAsync);

    /// <summary>The queues, in an application that uses nothing else of Mainstay.</summary>
    public static readonly DotNetContestant Jobs = new("Mainstay", settings => JobsServer.RunAsync(settings, connectionString => new MainstayJobs(connectionString)));

    /// <summary>The limit of queues: statements written by hand for exactly these jobs.</summary>
    public static readonly DotNetContestant RawJobs = new("raw SQL", settings => JobsServer.RunAsync(settings, connectionString => new RawJobs(connectionString)));

    /// <summary>The ledger, in an application that uses nothing else of Mainstay, and beside it what is written by hand.</summary>
    public static readonly DotNetContestant Ledger = new("ledger", LedgerServer.RunAsync);

    /// <summary>Sagas of three steps.</summary>
    public static readonly DotNetContestant Saga = new("a saga", settings => JobsServer.RunAsync(settings, connectionString => new ThreeSteps(connectionString, isSaga: true)));

    /// <summary>The same steps as three jobs, each of which enqueues the next.</summary>
    public static readonly DotNetContestant ThreeJobs = new("three jobs", settings => JobsServer.RunAsync(settings, connectionString => new ThreeSteps(connectionString, isSaga: false)));

    /// <summary>Sagas that wait for an event.</summary>
    public static readonly DotNetContestant Waits = new("sagas that wait", WaitServer.RunAsync);

    public static readonly NodeContestant GraphileWorker = new("graphile-worker", NodePeers.Queues, "graphile-worker.js");

    public static readonly NodeContestant PgBoss = new("pg-boss", NodePeers.Queues, "pg-boss.js");

    public static readonly PeerContestant MassTransit = new("MassTransit", DotNetPeers.Messaging);

    public static readonly PeerContestant Quartz = new("Quartz", DotNetPeers.Messaging);

    private static readonly DotNetContestant[] served = [Shop, OneByOne, Answering, Lenient, Raw, EntityFramework, Dapper, Empty, Jobs, RawJobs, Ledger, Saga, ThreeJobs, Waits];

    /// <summary>A server that this program is when it is called with <c>serve NAME settings…</c></summary>
    public static DotNetContestant Named(string name) => Array.Find(served, contestant => contestant.Name == name)
        ?? throw new MeasurementException($"There is no server '{name}', expected one of {string.Join(", ", served.Select(contestant => contestant.Name))}.");

    /// <summary>What starts it: production, on this address and this database.</summary>
    public abstract Launch Launch(Uri address, string connectionString);
}

/// <summary>A program and what it is called with.</summary>
internal sealed record Launch(string Program, string[] Arguments, Dictionary<string, string> Environment);

/// <summary>A server of this program, which runs itself again.</summary>
/// <param name="Name">On the command line and in the tables.</param>
/// <param name="RunAsync">Serves until it is told to stop.</param>
internal sealed record DotNetContestant(string Name, Func<string[], Task<int>> RunAsync) : Contestant(Name)
{
    public override Launch Launch(Uri address, string connectionString) => new(System.Environment.ProcessPath!,
        ["serve", Name, "--environment", "Production", "--urls", address.AbsoluteUri, "--Mainstay:Schema=apply", $"--ConnectionStrings:mainstay={connectionString}"], []);
}

/// <summary>A server of another program on .NET, which is called as this one calls itself.</summary>
/// <param name="Name">On its command line and in the tables.</param>
/// <param name="Peers">The program.</param>
internal sealed record PeerContestant(string Name, DotNetPeers Peers) : Contestant(Name)
{
    public override Launch Launch(Uri address, string connectionString) => new(Peers.Program,
        ["serve", Name, "--environment", "Production", "--urls", address.AbsoluteUri, $"--ConnectionStrings:mainstay={connectionString}"], []);
}

/// <summary>A server on Node.js.</summary>
/// <param name="Name">In the tables.</param>
/// <param name="Peers">Those that it is installed with.</param>
/// <param name="Script">Its file.</param>
internal sealed record NodeContestant(string Name, NodePeers Peers, string Script) : Contestant(Name)
{
    public override Launch Launch(Uri address, string connectionString)
    {
        var target = new NpgsqlConnectionStringBuilder(connectionString);
        return new(Peers.Node, [Path.Combine(Peers.Folder, Script)], new()
        {
            ["NODE_ENV"] = "production", ["PORT"] = $"{address.Port}",
            ["PGHOST"] = target.Host!, ["PGPORT"] = $"{target.Port}", ["PGDATABASE"] = target.Database!, ["PGUSER"] = target.Username!, ["PGPASSWORD"] = target.Password ?? "",
        });
    }
}
