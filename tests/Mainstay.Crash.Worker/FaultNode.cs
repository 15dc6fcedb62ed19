using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>A change in the database, known by its key. What else its handler does, <see cref="Deed"/> says.</summary>
public sealed record Write(string Key, string Does = "");

/// <summary>A call to the outside, known by its key.</summary>
public sealed record Call(string Key, string Does = "");

/// <summary>A message to somebody else, at the address of <c>Does</c>, under the key of its job.</summary>
public sealed record Post(string Key, string Does);

/// <summary>A message to somebody else that comes after those of its lane with a lower number.</summary>
public sealed record Letter(string Key, string Lane, int Number, string Does);

/// <summary>Two calls to the outside, each known by the key and its letter; the first is not to be repeated for the sake of the second.</summary>
public sealed record Stepped(string Key, string Does = "");

/// <summary>A change that is made together with others of its kind.</summary>
public sealed record Batched(string Key, string Does = "");

/// <summary>A change that only the next release knows how to make.</summary>
public sealed record Next(string Key, string Does = "");

/// <summary>Something that is tried once only.</summary>
public sealed record Brittle(string Key, string Does = "");

/// <summary>Something in a queue of which so many run at the same time.</summary>
public sealed record Narrow(string Key, string Does = "");

/// <summary>Something with a lane of which so many run at the same time.</summary>
public sealed record Shared(string Key, string Lane, string Does = "");

/// <summary>Something in a queue that begins so many in a second.</summary>
public sealed record Paced(string Key, string Does = "");

/// <summary>A change that comes after those of its lane with a lower number.</summary>
public sealed record Ordered(string Key, string Lane, int Number, string Does = "");

/// <summary>
/// A node of the fault tests: what it does leaves a row for each time it was done, without a constraint that would hide a second one. Those of <c>effects</c> are
/// written by the transaction of the job, those of <c>calls</c> outside of it.
/// </summary>
public sealed class FaultNode(NodeSettings settings, Voice voice, IServiceProvider services) : IAsyncDisposable
{
    /// <summary>How many of a limited queue, and of a lane of <see cref="Shared"/>, may run at the same time.</summary>
    public const int AtMost = 3;

    /// <summary>How many of <see cref="Paced"/> may begin in a second, and how many more after a pause.</summary>
    public const int Rate = 100, Burst = 10;

    private readonly NpgsqlDataSource _source = NpgsqlDataSource.Create(settings.ConnectionString);
    private readonly NpgsqlDataSource _outside = NpgsqlDataSource.Create(settings.Outside);
    private readonly HttpClient _http = new(new SocketsHttpHandler());

    public static IHost Build(NodeSettings settings, Voice voice, Action<ILoggingBuilder> logging)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = "Development" });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["Mainstay:Schema"] = settings.Schema });
        logging(builder.Logging);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromMinutes(1));
        builder.Services.AddSingleton<TimeProvider>(new WrongClock(settings.ClockIsOffBy));
        builder.Services.AddSingleton(provider => new FaultNode(settings, voice, provider));
        builder.Services.AddJobs(jobs => Declare(jobs, settings), new QueueOptions
        {
            ConnectionString = settings.ConnectionString, Lease = settings.Lease, PollInterval = settings.Poll, Drain = settings.Drain, Workers = settings.Workers,
        });
        if (settings.MakesJourneys)
            builder.Services.AddOutbox(outbox => outbox.Event<Boarding>("boarding"));
        builder.Services.AddInbox(inbox => inbox.Source("outside"));
        if (settings.KeepsLedger)
            builder.Services.AddLedger(new LedgerOptions { ConnectionString = settings.ConnectionString, Currencies = [new("EUR", 2)], FoldInterval = settings.Poll });
        return builder.Build();
    }

    /// <summary>Records an order and its job in one transaction, as an application does that knows nothing of units of work.</summary>
    public async Task OrderAsync(string key, string does)
    {
        try
        {
            await using var connection = await _source.OpenConnectionAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            await ExecuteAsync(connection, "insert into orders (key) values ($1)", key);
            var id = await services.GetRequiredService<Jobs>().EnqueueAsync(new Write(key, does), transaction);
            await ExecuteAsync(connection, "insert into sent (key, id) values ($1, $2)", key, id);
            await transaction.CommitAsync();
            services.GetRequiredService<Jobs>().Wake();
            voice.Say($"ordered {key}");
        }
        catch (Exception e)
        {
            // Whatever it was: who ordered has to hear of it.
            voice.Say($"{key} failed: {e.Message.ReplaceLineEndings(" ")}");
            voice.Say($"not ordered {key}");
        }
    }

    /// <summary>Takes a message from outside, which may have come before.</summary>
    public async Task ReceiveAsync(string message)
    {
        var key = $"order-of-{message}";
        try
        {
            var answer = await services.GetRequiredService<Inbox>().ReceiveAsync("outside", message, async work =>
            {
                await work.ExecuteAsync($"insert into orders (key) values ({key})");
                await work.ExecuteAsync($"insert into sent (key, id) values ({key}, {work.Enqueue(new Write(key))})");
                return key;
            });
            voice.Say($"received {message} {answer}");
        }
        catch (Exception e)
        {
            voice.Say($"{message} failed: {e.Message.ReplaceLineEndings(" ")}");
            voice.Say($"not received {message}");
        }
    }

    /// <summary>Makes the transfer of this number: between two of four wallets, with a fee to an account that all of them want, alone or in a transaction, with a hold for each third one.</summary>
    public async Task TransferAsync(int number)
    {
        try
        {
            var ledger = services.GetRequiredService<Ledger>();
            var wallets = await Task.WhenAll(new[] { number % 4, (number + 1) % 4 }.Select(wallet => ledger.OpenAsync(new NewLedgerAccount($"wallet-{wallet}", "EUR", LedgerSide.Credit) { Least = -1_000_000 })));
            var fees = await ledger.OpenAsync(new NewLedgerAccount("fees", "EUR", LedgerSide.Credit) { Least = null, IsDeferred = true });
            var transfer = new LedgerTransfer(LedgerEntry.Debit(wallets[0].Id, number + 2), LedgerEntry.Credit(wallets[1].Id, number + 1), LedgerEntry.Credit(fees.Id, 1)) { Key = $"transfer-{number}" };
            if (number % 3 == 0)
                await ledger.HoldAsync(new NewLedgerHold(wallets[0].Id, 5) { For = TimeSpan.FromSeconds(1) });
            if (number % 3 == 1)
            {
                await using var connection = await _source.OpenConnectionAsync();
                await using var transaction = await connection.BeginTransactionAsync();
                await ledger.In(transaction).TransferAsync(transfer);
                await transaction.CommitAsync();
            }
            else
                await ledger.TransferAsync(transfer);
            voice.Say($"transferred {number}");
        }
        catch (Exception e)
        {
            // Whatever it was: who asked has to hear of it.
            voice.Say($"{number} failed: {e.Message.ReplaceLineEndings(" ")}");
            voice.Say($"not transferred {number}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _source.DisposeAsync();
        await _outside.DisposeAsync();
    }

    private static void Declare(JobsBuilder jobs, NodeSettings settings)
    {
        jobs.Queue("calls").PerNode(Math.Max(1, settings.Workers));
        jobs.Job<Write>("write", (Write job, UnitOfWork work, FaultNode node) => node.WriteAsync(job.Key, job.Does, work)).Timeout(settings.Timeout).Retry(3);
        jobs.Job<Brittle>("brittle", (Brittle job, UnitOfWork work, FaultNode node) => node.WriteAsync(job.Key, job.Does, work)).Timeout(settings.Timeout).Retry(1);
        jobs.Job<Stepped>("stepped", (Stepped job, Outbound outbound, FaultNode node) => node.StepAsync(job, outbound)).Timeout(settings.Timeout).Queue("calls");
        jobs.Job<Batched>("batched", (IReadOnlyList<Batched> batch, UnitOfWork work, FaultNode node) => node.WriteAllAsync(batch, work)).Timeout(settings.Timeout).Batch(20, TimeSpan.FromMilliseconds(100)).Retry(1);
        jobs.Job<Call>("call", (Call job, Outbound outbound, FaultNode node) => node.CallAsync(job, outbound)).Timeout(settings.Timeout).Queue("calls").Retry(3);
        jobs.Job<Post>("post", (Post job, Outbound outbound, FaultNode node) => node.PostAsync(job.Key, job.Does, outbound)).Timeout(settings.Timeout).Queue("calls").Retry(100, from: TimeSpan.FromMilliseconds(20), to: TimeSpan.FromMilliseconds(200));
        if (settings.TicksEvery is { } interval)
            jobs.Job("tick", Schedule.Every(interval), (Tick tick, UnitOfWork work) => work.ExecuteAsync($"insert into ticks (planned_at) values ({tick.PlannedAt})")).Missed(Missed.All);
        if (settings.MakesJourneys)
            Journeys.Declare(jobs, settings);
        if (settings.MakesPurchases)
            Purchases.Declare(jobs);
        if (settings.IsNext)
            jobs.Job<Next>("next", (Next job, UnitOfWork work, FaultNode node) => node.WriteAsync(job.Key, job.Does, work)).Timeout(settings.Timeout);
        if (settings.HasLimits)
            DeclareLimits(jobs, settings);
    }

    private static void DeclareLimits(JobsBuilder jobs, NodeSettings settings)
    {
        jobs.Queue("narrow").AtMost(AtMost);
        jobs.Queue("paced").Rate(Rate, per: TimeSpan.FromSeconds(1), burst: Burst);
        jobs.Queue("lanes").AtMost(AtMost);
        jobs.Job<Narrow>("narrow", (Narrow job, Outbound outbound, FaultNode node) => node.RunAsync(new Run("narrow", job.Key), () => node.StayAsync(job.Key, job.Does, outbound))).Timeout(settings.Timeout).Queue("narrow").Retry(3);
        jobs.Job<Shared>("shared", (Shared job, Outbound outbound, FaultNode node) => node.RunAsync(new Run("shared", job.Key, job.Lane), () => node.StayAsync(job.Key, job.Does, outbound))).Timeout(settings.Timeout).Queue("calls").Retry(3)
            .AtMost(AtMost, per: (Shared job) => job.Lane);
        jobs.Job<Paced>("paced", (Paced job, UnitOfWork work, FaultNode node) => node.WriteAsync(job.Key, job.Does, work)).Timeout(settings.Timeout).Queue("paced").Retry(3);
        jobs.Job<Ordered>("ordered", (Ordered job, UnitOfWork work, FaultNode node) => node.RunAsync(new Run("ordered", job.Key, job.Lane, job.Number), () => node.WriteAsync(job.Key, job.Does, work))).Timeout(settings.Timeout).Queue("lanes")
            .Retry(3, from: TimeSpan.FromMilliseconds(200)).InOrderOf((Ordered job) => job.Lane, settings.DeadHead);
        jobs.Job<Letter>("letter", (Letter job, Outbound outbound, FaultNode node) => node.PostAsync(job.Key, job.Does, outbound)).Timeout(settings.Timeout).Queue("calls")
            .Retry(100, from: TimeSpan.FromMilliseconds(20), to: TimeSpan.FromSeconds(2)).InOrderOf((Letter job) => job.Lane);
    }

    /// <summary>
    /// Notes when a handler begins and ends, with whatever of its lane is still open before it. By the clock of the machine, which is the server's, because the server may be away when the handler ends.
    /// </summary>
    private async Task RunAsync(Run run, Func<Task> handle)
    {
        var id = Guid.CreateVersion7();
        try
        {
            await using (var connection = await _outside.OpenConnectionAsync())
                await ExecuteAsync(connection, """
                    insert into runs (id, handler, key, lane, number, node, open_before)
                    select $1, $2, $3, nullif($4, ''), $5, $6, (select count(*) from mainstay.jobs where handler = $2 and lane = $4 and (payload ->> 'number')::integer < $5)
                    """, id, run.Handler, run.Key, run.Lane, run.Number, Environment.ProcessId);
            await handle();
        }
        finally
        {
            await EndAsync(id, TimeProvider.System.GetUtcNow());
        }
    }

    private async Task EndAsync(Guid run, DateTimeOffset at)
    {
        for (var attempt = 1; ; attempt++)
            try
            {
                await using var connection = await _outside.OpenConnectionAsync();
                await ExecuteAsync(connection, "update runs set ended = $2 where id = $1", run, at);
                return;
            }
            catch (NpgsqlException) when (attempt < 100)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
            }
    }

    /// <summary>Keeps its place for a while, or until it is cancelled.</summary>
    private async Task StayAsync(string key, string does, Outbound outbound)
    {
        voice.Say($"began {key}");
        if (does == "wait")
            await HoldAsync(key, outbound);
        else
            await DoAsync(key, does, null);
    }

    private async Task WriteAsync(string key, string does, UnitOfWork work)
    {
        voice.Say($"began {key}");
        await work.ExecuteAsync($"insert into effects (key) values ({key})");
        await DoAsync(key, does, work);
    }

    private async Task WriteAllAsync(IReadOnlyList<Batched> batch, UnitOfWork work)
    {
        foreach (var job in batch)
            await WriteAsync(job.Key, job.Does, work);
    }

    private async Task CallAsync(Call job, Outbound outbound)
    {
        voice.Say($"began {job.Key}");
        await CallAsync(job.Key, outbound.Key, outbound.Attempt);
        if (settings.HoldsCalls || job.Does == "wait")
            await HoldAsync(job.Key, outbound);
        else
            await DoAsync(job.Key, job.Does, null);
    }

    private async Task PostAsync(string key, string address, Outbound outbound)
    {
        voice.Say($"began {key}");
        using var answer = await _http.PostAsync(new Uri($"{address}/messages/{outbound.Key}?key={key}"), null, outbound.Cancellation);
        answer.EnsureSuccessStatusCode();
    }

    private async Task StepAsync(Stepped job, Outbound outbound)
    {
        await outbound.StepAsync("a", key => CallAsync(job.Key + "-a", key, outbound.Attempt));
        await outbound.StepAsync("b", async key =>
        {
            await CallAsync(job.Key + "-b", key, outbound.Attempt);
            if (settings.HoldsCalls)
                await HoldAsync(job.Key, outbound);
        });
    }

    private async Task CallAsync(string key, string idempotencyKey, int attempt)
    {
        await using (var connection = await _outside.OpenConnectionAsync())
            await ExecuteAsync(connection, "insert into calls (key, idempotency_key, attempt) values ($1, $2, $3)", key, idempotencyKey, attempt);
        voice.Say($"called {key}");
    }

    private async Task HoldAsync(string key, Outbound outbound)
    {
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, outbound.Cancellation);
        }
        finally
        {
            voice.Say($"cancelled {key}");
        }
    }

    /// <summary>What a payload makes its handler do. Several are tied by commas.</summary>
    private async Task DoAsync(string key, string deeds, UnitOfWork? work)
    {
        foreach (var deed in deeds.Split(',', StringSplitOptions.RemoveEmptyEntries))
            switch (deed.Split(':'))
            {
                case ["throw"]:
                    throw new InvalidOperationException($"'{key}' always fails.");
                case ["stumble"]:
                    await StumbleAsync(key);
                    break;
                case ["exit"]:
                    Environment.FailFast($"'{key}' ends the process.");
                    break;
                case ["overflow"]:
                    Overflow(0);
                    break;
                case ["exhaust"]:
                    Exhaust();
                    break;
                case ["hang"]:
                    await Task.Delay(Timeout.InfiniteTimeSpan, CancellationToken.None);
                    break;
                case ["late", var seconds]:
                    await Task.Delay(Seconds(seconds), CancellationToken.None);
                    break;
                case ["sleep", var seconds]:
                    await work!.ExecuteAsync($"select pg_sleep({double.Parse(seconds, CultureInfo.InvariantCulture)})");
                    break;
                case ["lock", var row]:
                    await work!.ExecuteAsync($"update counters set value = value + 1 where name = {row}");
                    break;
                case ["then"]:
                    var next = key + "-next";
                    await work!.ExecuteAsync($"insert into sent (key, id) values ({next}, {work.Enqueue(new Write(next))})");
                    break;
                default:
                    throw new ArgumentException($"Nobody knows how to '{deed}'.", nameof(deeds));
            }
    }

    /// <summary>Fails at the first run, wherever that was.</summary>
    private async Task StumbleAsync(string key)
    {
        await using var connection = await _outside.OpenConnectionAsync();
        if (await ExecuteAsync(connection, "insert into stumbles (key) values ($1) on conflict do nothing", key) > 0)
            throw new InvalidOperationException($"'{key}' fails the first time.");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Overflow(int depth) => Overflow(depth + 1) + depth;

    private static void Exhaust()
    {
        var hoard = new List<byte[]>();
        while (true)
            hoard.Add(GC.AllocateUninitializedArray<byte>(1 << 20));
    }

    private static TimeSpan Seconds(string text) => TimeSpan.FromSeconds(double.Parse(text, CultureInfo.InvariantCulture));

    private static async Task<int> ExecuteAsync(NpgsqlConnection connection, string sql, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        return await command.ExecuteNonQueryAsync();
    }

    private sealed record Run(string Handler, string Key, string Lane = "", int Number = 0);

    /// <summary>A clock that shows the wrong time and runs at the right pace.</summary>
    private sealed class WrongClock(TimeSpan offset) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + offset;
    }
}
