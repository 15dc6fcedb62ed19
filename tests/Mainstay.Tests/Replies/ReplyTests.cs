using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Jobs that somebody waits for. Each test has its own database.</summary>
public sealed class ReplyTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(20);
    private static readonly ProblemType outOfStock = new("out-of-stock", 409, "Not enough stock");

    private int _runs;

    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (text text not null)");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whoever_asks_is_given_what_the_handler_gives(bool reachesOut)
    {
        await using var app = await StartAsync(jobs => Declare(jobs, reachesOut));

        var price = await Jobs(app).AskAsync(new Quote("tea"), patience, cancellation: Stop);

        price.ShouldBe(new Price("tea", 3.50m));
        (await Source.ScalarAsync<string>("select string_agg(text, ',') from effects")).ShouldBe("tea");
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_done where handler = 'quote'")).ShouldBe(1);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(0);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.replies", 0L);
    }

    [Fact]
    public async Task Enqueued_instead_it_is_a_job_as_any_other()
    {
        await using var app = await StartAsync(jobs => Declare(jobs));

        await Jobs(app).EnqueueAsync(new Quote("tea"), cancellation: Stop);
        await Jobs(app).EnqueueAsync(new Quote("nothing"), cancellation: Stop);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(text, ','), '') from effects", "tea");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs where errors is not null", 1L);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.replies")).ShouldBe(0);
    }

    [Fact]
    public async Task Another_node_may_answer()
    {
        await using var asking = await StartAsync(jobs => Declare(jobs), workers: 0);
        await using var answering = await StartAsync(jobs => Declare(jobs));

        var prices = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Jobs(asking).AskAsync(new Quote($"tea {i}"), patience, cancellation: Stop)));

        prices.Select(price => price.Product).ShouldBe(Enumerable.Range(0, 50).Select(i => $"tea {i}"));
        await Source.ShouldBecomeAsync("select count(*) from mainstay.replies", 0L);
    }

    [Fact]
    public async Task A_refusal_is_the_reply_and_is_not_tried_again()
    {
        await using var app = await StartAsync(jobs => Declare(jobs));

        var refused = await Should.ThrowAsync<ProblemException>(() => Jobs(app).AskAsync(new Quote("nothing"), patience, cancellation: Stop));

        (refused.Type.Code, refused.Type.Status, refused.Message, refused.RetryAfter).ShouldBe(("out-of-stock", 409, "There is nothing.", TimeSpan.FromSeconds(7)));
        refused.Errors.ShouldBe([new FieldError("#/product", null, "stock", "None.")]);
        _runs.ShouldBe(1);
        (await Source.ScalarAsync<long>("select (select count(*) from mainstay.jobs) + (select count(*) from mainstay.jobs_dead) + (select count(*) from effects)")).ShouldBe(0);
    }

    [Fact]
    public async Task A_backend_gives_the_problem_that_it_declares()
    {
        ProblemType declared = null!;
        await using var backend = await TestBackend.StartAsync(ConnectionString, backend =>
        {
            declared = backend.Problem("sold-out", 409, "Sold out");
            backend.Job<Quote>("quote", Price (Quote quote, UnitOfWork work) => throw declared.Because("All gone."));
            backend.Query("GET /v1/price", async Task<Price> (Jobs jobs, CancellationToken cancellation) => await jobs.AskAsync(new Quote("tea"), patience, cancellation: cancellation))
                .Allow(Policy.Anyone).Refuses(declared).Timeout(patience);
        });

        (await Should.ThrowAsync<ProblemException>(() => backend.Running.App.Services.GetRequiredService<Jobs>().AskAsync(new Quote("tea"), patience, cancellation: Stop))).Type.ShouldBeSameAs(declared);
        using var answer = await backend.Http.GetAsync(new Uri("/v1/price", UriKind.Relative), Stop);
        ((int)answer.StatusCode, (await answer.Content.ReadAsStringAsync(Stop)).Contains("\"sold-out\"", StringComparison.Ordinal)).ShouldBe((409, true));
    }

    [Fact]
    public async Task What_fails_is_tried_again_and_what_always_fails_is_said_to_have()
    {
        await using var app = await StartAsync(jobs => Declare(jobs).Retry(3, from: TimeSpan.FromMilliseconds(1)));

        (await Jobs(app).AskAsync(new Quote("late"), patience, cancellation: Stop)).Product.ShouldBe("late");
        _runs.ShouldBe(2);
        var failed = await Should.ThrowAsync<ProblemException>(() => Jobs(app).AskAsync(new Quote("broken"), patience, cancellation: Stop));

        failed.Type.ShouldBe(ProblemCatalogue.InternalError);
        failed.Message.ShouldNotContain("secret");
        _runs.ShouldBe(5);
        (await Source.ScalarAsync<long>("select (select count(*) from mainstay.jobs) + (select count(*) from mainstay.jobs_dead)")).ShouldBe(0);
    }

    [Fact]
    public async Task Whoever_has_waited_long_enough_is_told_and_what_nobody_waits_for_is_not_begun()
    {
        await using var asking = await StartAsync(jobs => Declare(jobs), workers: 0);

        var unanswered = await Should.ThrowAsync<ProblemException>(() => Jobs(asking).AskAsync(new Quote("tea"), TimeSpan.FromSeconds(3), cancellation: Stop));
        await Source.ShouldBecomeAsync("select count(*) from mainstay.replies", 0L);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(1);
        await using var late = await StartAsync(jobs => Declare(jobs));

        unanswered.Type.ShouldBe(ProblemCatalogue.NoReply);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
        _runs.ShouldBe(0);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.jobs_dead")).ShouldBe(0);
    }

    [Fact]
    public async Task A_handler_has_no_more_time_than_whoever_asks()
    {
        await using var app = await StartAsync(jobs => Declare(jobs, reachesOut: true));

        await Should.ThrowAsync<ProblemException>(() => Jobs(app).AskAsync(new Quote("for ever"), TimeSpan.FromSeconds(5), cancellation: Stop));

        // Its timeout is 30 s, for which it would otherwise go on.
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
        _runs.ShouldBe(1);
    }

    [Fact]
    public async Task The_same_key_is_the_same_request()
    {
        await using var one = await StartAsync(jobs => Declare(jobs));
        await using var other = await StartAsync(jobs => Declare(jobs), workers: 0);

        var both = await Task.WhenAll(
            [.. Enumerable.Range(0, 10).Select(i => Jobs(i % 2 == 0 ? one : other).AskAsync(new Quote("tea"), patience, key: "order 1", cancellation: Stop))]);
        var again = await Jobs(other).AskAsync(new Quote("tea"), patience, key: "order 1", cancellation: Stop);

        both.Append(again).ShouldAllBe(price => price == new Price("tea", 3.50m));
        _runs.ShouldBe(1);
        (await Jobs(one).AskAsync(new Quote("tea"), patience, key: "order 2", cancellation: Stop)).Product.ShouldBe("tea");
        _runs.ShouldBe(2);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.replies where kept_until > now() + interval '23 hours'")).ShouldBe(2);
    }

    [Theory]
    [InlineData("""{"asked":{"withinMilliseconds":"5"}}""")]
    [InlineData("""{"asked":{"withinMilliseconds":1e300}}""")]
    [InlineData("""{"asked":{"withinMilliseconds":-1}}""")]
    [InlineData("""{"asked":[]}""")]
    [InlineData("""{"operation":"\ud800"}""")]
    public async Task What_plain_sql_has_made_of_a_request_is_done_as_a_job(string origin)
    {
        await using (var asking = await StartAsync(jobs => Declare(jobs), workers: 0))
            await Should.ThrowAsync<ProblemException>(() => Jobs(asking).AskAsync(new Quote("tea"), TimeSpan.FromSeconds(3), cancellation: Stop));
        await Source.ExecuteAsync($"update mainstay.jobs set origin = '{origin}'");

        await using var late = await StartAsync(jobs => Declare(jobs));

        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
        _runs.ShouldBe(1);
    }

    [Fact]
    public async Task A_refusal_is_not_kept_for_whoever_asks_again()
    {
        await using var app = await StartAsync(jobs => Declare(jobs));

        for (var i = 0; i < 2; i++)
            await Should.ThrowAsync<ProblemException>(() => Jobs(app).AskAsync(new Quote("nothing"), patience, key: "order 1", cancellation: Stop));

        _runs.ShouldBe(2);
    }

    [Fact]
    public async Task What_came_to_nothing_is_asked_anew_and_the_earlier_job_does_nothing_any_more()
    {
        await using var asking = await StartAsync(jobs => Declare(jobs), workers: 0);
        await Should.ThrowAsync<ProblemException>(() => Jobs(asking).AskAsync(new Quote("tea"), TimeSpan.FromSeconds(3), key: "order 1", cancellation: Stop));
        await Source.ExecuteAsync("update mainstay.jobs set origin = jsonb_set(origin::jsonb, '{asked,withinMilliseconds}', '60000')::json");      // as if it had been claimed in time
        var again = Jobs(asking).AskAsync(new Quote("tea"), patience, key: "order 1", cancellation: Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 2L);

        await using var late = await StartAsync(jobs => Declare(jobs));

        (await again).Product.ShouldBe("tea");
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 0L);
        _runs.ShouldBe(1);
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(1);
    }

    [Fact]
    public async Task Whoever_joins_a_request_that_comes_to_nothing_asks_it_anew()
    {
        await using var asking = await StartAsync(jobs => Declare(jobs), workers: 0);
        var first = Jobs(asking).AskAsync(new Quote("tea"), TimeSpan.FromSeconds(3), key: "order 1", cancellation: Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 1L);

        var joined = Jobs(asking).AskAsync(new Quote("tea"), patience, key: "order 1", cancellation: Stop);
        await Should.ThrowAsync<ProblemException>(() => first);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 2L);
        await using var late = await StartAsync(jobs => Declare(jobs));

        (await joined).Product.ShouldBe("tea");
        _runs.ShouldBe(1);
    }

    [Fact]
    public async Task Asked_again_the_other_side_gets_the_same_key()
    {
        var keys = new System.Collections.Concurrent.ConcurrentQueue<string>();
        await using var app = await StartAsync(jobs => jobs.Job<Quote>("quote", async Task<Price> (Quote quote, Outbound outbound) =>
        {
            keys.Enqueue(outbound.Key);
            return await outbound.StepAsync("call", key =>
            {
                keys.Enqueue(key);
                return keys.Count <= 2 ? throw outOfStock.Because("Not yet.") : Task.FromResult(new Price(quote.Product, 1));
            });
        }));

        await Should.ThrowAsync<ProblemException>(() => Jobs(app).AskAsync(new Quote("tea"), patience, key: "order 1", cancellation: Stop));
        await Jobs(app).AskAsync(new Quote("tea"), patience, key: "order 1", cancellation: Stop);

        var all = keys.ToArray();
        (all[2], all[3]).ShouldBe((all[0], all[1]));
        all[0].ShouldNotBe(all[1]);
    }

    [Fact]
    public async Task A_job_that_asks_and_gets_no_reply_has_failed()
    {
        await using var app = await StartAsync(jobs =>
        {
            Declare(jobs, reachesOut: true);
            jobs.Job<Buy>("buy", async (Buy buy, Outbound outbound, IServiceProvider services) =>
                { await services.GetRequiredService<Jobs>().AskAsync(new Quote("for ever"), TimeSpan.FromMilliseconds(50), key: outbound.Key, cancellation: outbound.Cancellation); })
                .Retry(2, from: TimeSpan.FromMilliseconds(1));
        });

        await Jobs(app).EnqueueAsync(new Buy("tea"), cancellation: Stop);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(handler || ' ' || attempt || ' ' || jsonb_array_length(errors), ','), '') from mainstay.jobs_dead", "buy 2 2");
    }

    [Fact]
    public async Task A_dead_request_that_is_redriven_is_an_ordinary_job()
    {
        await using var asking = await StartAsync(jobs => Declare(jobs), workers: 0);
        var asked = Jobs(asking).AskAsync(new Quote("tea"), patience, cancellation: Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 1L);
        await Source.ExecuteAsync("update mainstay.jobs set payload = '{\"colour\": \"red\"}', origin = jsonb_set(origin::jsonb, '{asked,withinMilliseconds}', '60000')::json");
        await using var living = await StartAsync(jobs => Declare(jobs));
        await Should.ThrowAsync<ProblemException>(() => asked);
        await Source.ExecuteAsync("update mainstay.jobs_dead set payload = '{\"product\": \"tea\"}'");
        var letter = await Source.ScalarAsync<Guid>("select id from mainstay.jobs_dead");

        await living.Services.GetRequiredService<DeadLetters>().RedriveAsync(letter, "mended", cancellation: Stop);

        await Source.ShouldBecomeAsync("select coalesce(string_agg(text, ','), '') from effects", "tea");
        (await Source.ScalarAsync<bool>("select bool_and(origin -> 'asked' is null) is not false from mainstay.jobs")).ShouldBeTrue();
    }

    [Fact]
    public async Task A_reply_of_another_release_is_said_to_be_one()
    {
        await using var app = await StartAsync(jobs => Declare(jobs));
        await Jobs(app).AskAsync(new Quote("tea"), patience, key: "order 1", cancellation: Stop);
        await Source.ExecuteAsync("update mainstay.replies set reply = '{\"colour\": \"red\"}'");

        (await Should.ThrowAsync<InvalidOperationException>(() => Jobs(app).AskAsync(new Quote("tea"), patience, key: "order 1", cancellation: Stop))).Message.ShouldStartWith("MST2523");
    }

    [Fact]
    public async Task Whoever_waits_for_a_job_that_kills_its_processes_is_told()
    {
        await using var asking = await StartAsync(jobs => Declare(jobs), workers: 0);
        var asked = Jobs(asking).AskAsync(new Quote("tea"), patience, cancellation: Stop);
        await Source.ShouldBecomeAsync("select count(*) from mainstay.jobs", 1L);
        await Source.ExecuteAsync("""
            insert into mainstay.nodes (id, lease_until) values ('01890a5d-ac96-774b-bcce-b302099a8057', now() - interval '1 second');
            update mainstay.jobs set state = 1, node = '01890a5d-ac96-774b-bcce-b302099a8057', fence = fence + 1, attempt = 3, crashes = 2
            """);
        await using var living = await StartAsync(jobs => Declare(jobs));

        (await Should.ThrowAsync<ProblemException>(() => asked)).Type.ShouldBe(ProblemCatalogue.InternalError);
        (await Source.ScalarAsync<string>("select reason from mainstay.jobs_dead")).ShouldBe("crashed");
    }

    [Fact]
    public async Task A_reply_that_is_too_large_is_refused()
    {
        await using var app = await StartAsync(jobs => Declare(jobs));

        (await Should.ThrowAsync<ProblemException>(() => Jobs(app).AskAsync(new Quote("large"), patience, cancellation: Stop))).Type.ShouldBe(ProblemCatalogue.AnswerTooLarge);
        (await Source.ScalarAsync<long>("select count(*) from effects")).ShouldBe(0);
    }

    [Fact]
    public async Task Replies_that_nobody_has_taken_go_when_their_time_is_over()
    {
        await using (await StartAsync(jobs => Declare(jobs)))
            await Source.ShouldBecomeAsync("select count(*) from mainstay.nodes", 1L);
        await Source.ExecuteAsync("""
            insert into mainstay.replies (id, asked_until, kept_until, reply)
            values (gen_random_uuid(), now() - interval '1 hour', now() - interval '1 hour', '1'), (gen_random_uuid(), now() - interval '1 hour', now() + interval '1 hour', '2')
            """);
        await using var database = new Database(NpgsqlDataSource.Create(ConnectionString), TimeProvider.System);

        await new QueueStore(database).ExpireAsync(new QueueOptions().Retention, Stop);

        (await Source.ScalarAsync<string>("select string_agg(reply::text, ',') from mainstay.replies")).ShouldBe("2");
    }

    [Fact]
    public async Task Mistakes_are_found_at_the_start()
    {
        var mistakes = await Should.ThrowAsync<ConfigurationException>(() => StartAsync(jobs =>
        {
            jobs.Job<Quote>("nothing", (Quote quote, UnitOfWork work) => { });
            jobs.Job<Count>("wrong", (Count count, UnitOfWork work) => "many");
            jobs.Job<Add>("unique", (Add add, UnitOfWork work) => 1).Unique((Add add) => add.Number);
            jobs.Job<Sum>("list", (IReadOnlyList<Sum> all, UnitOfWork work) => 1);
        }));

        mistakes.Message.Split("MST2522").Length.ShouldBe(5, mistakes.Message);
        mistakes.Message.ShouldContain("Quote is an IRequest<Price>, and the handler of 'nothing' gives nothing");
        mistakes.Message.ShouldContain("the handler of 'wrong' gives String, expected Int32");
    }

    [Fact]
    public async Task Nonsense_is_refused()
    {
        await using var app = await StartAsync(jobs => Declare(jobs));

        await Should.ThrowAsync<ArgumentOutOfRangeException>(() => Jobs(app).AskAsync(new Quote("tea"), TimeSpan.Zero, cancellation: Stop));
        (await Should.ThrowAsync<ArgumentException>(() => Jobs(app).AskAsync(new Quote("tea"), patience, key: new string('x', 401), cancellation: Stop))).Message.ShouldContain("MST2511");
        (await Should.ThrowAsync<ConfigurationException>(() => Jobs(app).AskAsync(new Count(1), patience, cancellation: Stop))).Message.ShouldContain("MST2501");
    }

    private static Jobs Jobs(PlainApplication app) => app.Services.GetRequiredService<Jobs>();

    private Task<PlainApplication> StartAsync(Action<JobsBuilder> declare, int workers = 4) =>
        PlainApplication.StartAsync(ConnectionString, services => services.AddJobs(declare, new QueueOptions { Workers = workers, PollInterval = TimeSpan.FromMilliseconds(100), Lease = TimeSpan.FromSeconds(15) }));

    private JobDeclaration Declare(JobsBuilder jobs, bool reachesOut = false) => reachesOut
        ? jobs.Job<Quote>("quote", async (Quote quote, Outbound outbound) =>
        {
            if (quote.Product == "for ever")
            {
                Interlocked.Increment(ref _runs);
                await Task.Delay(Timeout.InfiniteTimeSpan, outbound.Cancellation);
            }
            return await outbound.CommitAsync("look", work => LookAsync(quote, work));
        })
        : jobs.Job<Quote>("quote", (Quote quote, UnitOfWork work) => LookAsync(quote, work));

    private async Task<Price> LookAsync(Quote quote, UnitOfWork work)
    {
        var run = Interlocked.Increment(ref _runs);
        await work.ExecuteAsync($"insert into effects values ({quote.Product})");
        return quote.Product switch
        {
            "nothing" => throw new ProblemException(outOfStock, "There is nothing.", [new FieldError("#/product", null, "stock", "None.")]) { RetryAfter = TimeSpan.FromSeconds(7) },
            "late" when run == 1 => throw new IOException("Not yet."),
            "broken" => throw new IOException("A secret."),
            "large" => new Price(new string('x', 300_000), 1),
            _ => new Price(quote.Product, 3.50m),
        };
    }

    private sealed record Quote(string Product) : IRequest<Price>;

    private sealed record Price(string Product, decimal Amount);

    private sealed record Buy(string Product);

    private sealed record Count(int Number) : IRequest<int>;

    private sealed record Add(int Number) : IRequest<int>;

    private sealed record Sum(int Number) : IRequest<int>;
}
