using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay.Tests;

public sealed class RateLimitTests(LimitedBackends nodes) : IClassFixture<LimitedBackends>
{
    [Fact]
    public async Task Every_answer_of_a_limited_operation_says_the_policy_and_what_is_left()
    {
        var (ann, _) = nodes.NewUser();

        var first = (await ann.GetAsync("/v1/small")).Expect(200);
        var second = (await ann.GetAsync("/v1/small")).Expect(200);

        first.Header("RateLimit-Policy").ShouldBe("\"5/1m\";q=5;w=60");
        first.Header("RateLimit").ShouldBe("\"5/1m\";r=4;t=60");
        second.Header("RateLimit-Policy").ShouldBe(first.Header("RateLimit-Policy"));
        second.Header("RateLimit").ShouldBe("\"5/1m\";r=3;t=60");
    }

    [Fact]
    public async Task Refusals_of_the_operation_have_the_fields_and_count_too()
    {
        var (ann, _) = nodes.NewUser();

        (await ann.GetAsync("/v1/staff")).Expect(403, "forbidden").Header("RateLimit").ShouldBe("\"2/90s\";r=1;t=90");
        var invalid = (await ann.GetAsync("/v1/small?nonsense=1")).Expect(400, "invalid-parameter");
        var unacceptable = (await ann.GetAsync("/v1/small", "Accept: text/html")).Expect(406);
        var wrong = (await ann.GetAsync("/v1/small", "Authorization: Test wrong")).Expect(401);

        invalid.Header("RateLimit").ShouldBe("\"5/1m\";r=4;t=60");
        unacceptable.Header("RateLimit").ShouldBe("\"5/1m\";r=3;t=60");
        wrong.Header("RateLimit-Policy").ShouldBe("\"5/1m\";q=5;w=60");
        wrong.Header("RateLimit").ShouldBeNull();
    }

    [Fact]
    public async Task An_operation_without_a_limit_has_none_of_the_fields_and_costs_nothing()
    {
        var (ann, _) = nodes.NewUser();

        var reply = (await ann.GetAsync("/v1/free")).Expect(200);

        reply.Header("RateLimit-Policy").ShouldBeNull();
        reply.Header("RateLimit").ShouldBeNull();
    }

    [Fact]
    public async Task Too_many_are_refused_until_retry_after_and_then_answered_again()
    {
        var (ann, _) = nodes.NewUser();
        for (var i = 0; i < 5; i++)
            (await ann.GetAsync("/v1/small")).Expect(200);
        await nodes.PassAsync(TimeSpan.FromSeconds(20.5));

        var refused = (await ann.GetAsync("/v1/small")).Expect(429, "rate-limited");
        refused.Header("Retry-After").ShouldBe("40");
        refused.Header("RateLimit").ShouldBe("\"5/1m\";r=0;t=40");
        refused.Header("RateLimit-Policy").ShouldBe("\"5/1m\";q=5;w=60");
        refused.Detail.ShouldBe("5 requests in 60 s are allowed here by the policy \"5/1m\", and they have been made. The next ones are answered in 40 s; see RateLimit-Policy and RateLimit.");

        await nodes.PassAsync(TimeSpan.FromSeconds(39));
        (await ann.GetAsync("/v1/small")).Expect(429).Header("Retry-After").ShouldBe("1");
        await nodes.PassAsync(TimeSpan.FromSeconds(1));
        (await ann.GetAsync("/v1/small")).Expect(200).Header("RateLimit").ShouldBe("\"5/1m\";r=4;t=60");
    }

    [Fact]
    public async Task A_refused_caller_costs_the_database_nothing()
    {
        await using var proxy = new CountingProxy(nodes.One.ConnectionString);
        await using var node = await nodes.StartAsync(proxy.ConnectionString);
        await node.RestAsync();
        var ann = node.User("flooder");
        for (var i = 0; i < 6; i++)
            await ann.GetAsync("/v1/small");

        var before = proxy.Turns;
        for (var i = 0; i < 20; i++)
            (await ann.GetAsync("/v1/small")).Expect(429);

        proxy.Turns.ShouldBe(before);
    }

    [Fact]
    public async Task Most_requests_under_a_large_limit_pay_no_round_trip()
    {
        await using var proxy = new CountingProxy(nodes.One.ConnectionString);
        await using var node = await nodes.StartAsync(proxy.ConnectionString);
        await node.RestAsync();
        var ann = node.User("regular");

        var before = proxy.Turns;
        for (var i = 1; i <= 100; i++)
            (await ann.GetAsync("/v1/large")).Expect(200).Header("RateLimit").ShouldBe($"\"large\";r={400 - i};t=60");

        (proxy.Turns - before).ShouldBeLessThanOrEqualTo(8);
    }

    [Fact]
    public async Task Parallel_bursts_on_two_nodes_are_admitted_exactly_as_often_as_the_limit_says()
    {
        foreach (var (path, limit, burst) in new[] { ("/v1/small", 5, 40), ("/v1/large", 400, 450) })
        {
            var (onOne, onTwo) = nodes.NewUser();
            var statuses = new ConcurrentBag<int>();
            async Task BurstAsync(Caller caller) => await Parallel.ForEachAsync(Enumerable.Range(0, burst), new ParallelOptions { MaxDegreeOfParallelism = 24 },
                async (_, _) => statuses.Add((await caller.GetAsync(path)).Status));

            await Task.WhenAll(BurstAsync(onOne), BurstAsync(onTwo));

            statuses.Count(status => status == 200).ShouldBe(limit, path);
            statuses.Count(status => status == 429).ShouldBe(2 * burst - limit, path);
        }
    }

    [Fact]
    public async Task What_one_node_has_counted_the_other_knows()
    {
        var (onOne, onTwo) = nodes.NewUser();
        for (var i = 0; i < 3; i++)
            (await onOne.GetAsync("/v1/small")).Expect(200);

        (await onTwo.GetAsync("/v1/small")).Expect(200).Header("RateLimit").ShouldBe("\"5/1m\";r=1;t=60");
        (await onTwo.GetAsync("/v1/small")).Expect(200);
        (await onOne.GetAsync("/v1/small")).Expect(429);
        (await onTwo.GetAsync("/v1/small")).Expect(429);
    }

    [Fact]
    public async Task Each_caller_and_each_operation_has_its_own_count()
    {
        var (ann, _) = nodes.NewUser();
        var (bob, _) = nodes.NewUser();
        for (var i = 0; i < 6; i++)
            await ann.GetAsync("/v1/small");

        (await ann.GetAsync("/v1/small")).Expect(429);
        (await ann.GetAsync("/v1/other")).Expect(200);
        (await bob.GetAsync("/v1/small")).Expect(200);
    }

    [Fact]
    public async Task Strangers_are_told_apart_by_address_and_an_ipv6_network_is_one_caller()
    {
        async Task<Reply> FromAsync(string address) => await nodes.One.Anonymous.GetAsync("/v1/small", $"X-Forwarded-For: {address}");

        for (var i = 0; i < 5; i++)
            (await FromAsync($"2001:db8:0:1::{i}")).Expect(200);
        for (var i = 0; i < 5; i++)
            (await FromAsync("192.0.2.7")).Expect(200);

        (await FromAsync("2001:db8:0:1:ffff::1")).Expect(429);
        (await FromAsync("2001:db8:0:2::1")).Expect(200);
        (await FromAsync("192.0.2.7")).Expect(429);
        (await FromAsync("::ffff:192.0.2.7")).Expect(429);
        (await FromAsync("192.0.2.8")).Expect(200);
    }

    [Fact]
    public async Task A_user_keeps_the_count_wherever_it_calls_from()
    {
        var (ann, _) = nodes.NewUser();
        for (var i = 0; i < 5; i++)
            (await ann.GetAsync("/v1/small", $"X-Forwarded-For: 198.51.100.{i}")).Expect(200);

        (await ann.GetAsync("/v1/small", "X-Forwarded-For: 198.51.100.99")).Expect(429);
    }

    [Fact]
    public async Task Several_policies_must_all_hold_and_a_refusal_names_its_own()
    {
        var (ann, _) = nodes.NewUser();

        var first = (await ann.GetAsync("/v1/both")).Expect(200);
        first.Header("RateLimit-Policy").ShouldBe("\"burst\";q=3;w=10, \"daily\";q=5;w=86400");
        first.Header("RateLimit").ShouldBe("\"burst\";r=2;t=10, \"daily\";r=4;t=86400");
        await ann.GetAsync("/v1/both");
        await ann.GetAsync("/v1/both");
        var burst = (await ann.GetAsync("/v1/both")).Expect(429);
        await nodes.PassAsync(TimeSpan.FromSeconds(10));
        (await ann.GetAsync("/v1/both")).Expect(200);
        (await ann.GetAsync("/v1/both")).Expect(200).Header("RateLimit").ShouldBe("\"burst\";r=1;t=10, \"daily\";r=0;t=86390");
        var daily = (await ann.GetAsync("/v1/both")).Expect(429);
        var again = (await ann.GetAsync("/v1/both")).Expect(429);

        burst.Header("RateLimit").ShouldBe("\"burst\";r=0;t=10");
        burst.Header("Retry-After").ShouldBe("10");
        daily.Header("RateLimit").ShouldBe("\"daily\";r=0;t=86390");
        daily.Header("Retry-After").ShouldBe("86390");
        daily.Header("RateLimit-Policy").ShouldBe(first.Header("RateLimit-Policy"));
        // What the first policy would have admitted was given back, or it would be the one to refuse now.
        again.Header("RateLimit").ShouldBe("\"daily\";r=0;t=86390");
    }

    [Fact]
    public async Task A_resource_counts_all_its_operations_together()
    {
        var (ann, _) = nodes.NewUser("writer");

        var created = (await ann.PostAsync("/v1/notes", new { text = "a" })).Expect(201);
        created.Header("RateLimit").ShouldBe("\"3/1h\";r=2;t=3600");
        (await ann.GetAsync($"/v1/notes/{created.Id}", $"If-None-Match: {created.ETag}")).Expect(304).Header("RateLimit").ShouldBe("\"3/1h\";r=1;t=3600");
        (await ann.SendAsync("HEAD", "/v1/notes", null)).Expect(200).Header("RateLimit").ShouldBe("\"3/1h\";r=0;t=3600");
        (await ann.DeleteAsync($"/v1/notes/{created.Id}")).Expect(429, "rate-limited");

        (await nodes.One.CountAsync("notes where text = 'a'")).ShouldBe(1);
    }

    [Fact]
    public async Task A_replay_is_neither_counted_nor_refused()
    {
        var (ann, onTwo) = nodes.NewUser();
        var first = (await ann.PostAsync("/v1/kept", new { text = "one" }, "Idempotency-Key: limit-1")).Expect(201);

        for (var i = 0; i < 5; i++)
        {
            var replay = (await (i < 3 ? ann : onTwo).PostAsync("/v1/kept", new { text = "one" }, "Idempotency-Key: limit-1")).Expect(201);
            (replay.Id, replay.Header("Idempotency-Replayed")).ShouldBe((first.Id, "true"));
            replay.Header("RateLimit").ShouldBe("\"2/1m\";r=1;t=60");
        }
        (await onTwo.PostAsync("/v1/kept", new { text = "two" }, "Idempotency-Key: limit-2")).Expect(201);
        var refused = (await ann.PostAsync("/v1/kept", new { text = "three" }, "Idempotency-Key: limit-3")).Expect(429, "rate-limited");
        var late = (await ann.PostAsync("/v1/kept", new { text = "one" }, "Idempotency-Key: limit-1")).Expect(201);

        refused.Header("Idempotency-Replayed").ShouldBeNull();
        (late.Id, late.Header("Idempotency-Replayed")).ShouldBe((first.Id, "true"));
        late.Header("RateLimit").ShouldBe("\"2/1m\";r=0;t=60");
        (await ann.PostAsync("/v1/kept", new { text = "without a key" })).Expect(429);
        (await nodes.One.CountAsync("notes where text = 'three'")).ShouldBe(0);
    }

    [Fact]
    public async Task A_refusal_by_the_limit_is_no_outcome_and_the_fields_are_not_kept()
    {
        var (ann, _) = nodes.NewUser();
        for (var i = 0; i < 2; i++)
            (await ann.PostAsync("/v1/kept", new { text = $"filler {i}" }, $"Idempotency-Key: filler-{i}")).Expect(201);
        (await ann.PostAsync("/v1/kept", new { text = "later" }, "Idempotency-Key: later")).Expect(429);

        await nodes.PassAsync(TimeSpan.FromMinutes(1));
        (await ann.PostAsync("/v1/kept", new { text = "later" }, "Idempotency-Key: later")).Expect(201).Header("Idempotency-Replayed").ShouldBeNull();

        (await nodes.One.CountAsync("mainstay.receipts where headers::text ilike '%ratelimit%'")).ShouldBe(0);
    }

    [Fact]
    public async Task The_fields_are_headers_and_never_trailers()
    {
        using var response = await nodes.One.Http.GetAsync("/v1/other", TestContext.Current.CancellationToken);
        await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

        response.Headers.Contains("RateLimit").ShouldBeTrue();
        response.TrailingHeaders.ShouldBeEmpty();
    }

    [Fact]
    public async Task While_the_database_is_away_what_is_in_hand_is_served_and_everything_else_refused()
    {
        await using var proxy = new CountingProxy(nodes.One.ConnectionString);
        await using var node = await nodes.StartAsync(proxy.ConnectionString);
        await node.RestAsync();
        var (ann, bob) = (node.User("in-hand"), node.User("unknown"));
        for (var i = 0; i < 2; i++)
            (await ann.GetAsync("/v1/large")).Expect(200);

        proxy.IsDown = true;
        try
        {
            (await ann.GetAsync("/v1/large")).Expect(200);
            var refused = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => bob.GetAsync("/v1/large")));
            refused.ShouldAllBe(reply => reply.Status == 503 && reply.Code == "database-unavailable" && reply.Header("Retry-After") == "1");
            (await bob.GetAsync("/v1/free")).Expect(200);
        }
        finally
        {
            proxy.IsDown = false;
        }
        (await bob.GetAsync("/v1/large")).Expect(200).Header("RateLimit").ShouldBe("\"large\";r=399;t=60");
    }

    [Fact]
    public async Task Decisions_are_counted_by_policy_and_a_flood_is_logged_once()
    {
        var counts = new ConcurrentDictionary<string, long>();
        using var listener = new MeterListener { InstrumentPublished = (instrument, listening) => { if (instrument.Name == "mainstay.rate_limits.requests") listening.EnableMeasurementEvents(instrument); } };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            var tag = string.Join(' ', tags.ToArray().OrderBy(tag => tag.Key).Select(tag => tag.Value));
            counts.AddOrUpdate(tag, value, (_, known) => known + value);
        });
        listener.Start();
        await using var node = await nodes.StartAsync(nodes.One.ConnectionString, "--Mainstay:RateLimit=4/7h");
        var ann = node.User("counted");

        for (var i = 0; i < 10; i++)
            await ann.GetAsync("/v1/free");

        counts["admitted 4/7h"].ShouldBe(4);
        counts["refused 4/7h"].ShouldBe(6);
        node.Logs.Lines.Count(line => line.Text.StartsWith("The rate limit 4/7h refuses requests", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Fact]
    public async Task The_operators_default_counts_together_whatever_has_no_limit_of_its_own()
    {
        await using var node = await nodes.StartAsync(nodes.One.ConnectionString, "--Mainstay:RateLimit=3/1h, 100/1d");
        var ann = node.User("default");

        (await ann.GetAsync("/v1/free")).Expect(200).Header("RateLimit-Policy").ShouldBe("\"3/1h\";q=3;w=3600, \"100/1d\";q=100;w=86400");
        (await ann.GetAsync("/v1/freer")).Expect(200);
        (await ann.GetAsync("/v1/free")).Expect(200);

        (await ann.GetAsync("/v1/freer")).Expect(429, "rate-limited").Header("RateLimit").ShouldBe("\"3/1h\";r=0;t=3600");
        (await ann.GetAsync("/v1/small")).Expect(200).Header("RateLimit-Policy").ShouldBe("\"5/1m\";q=5;w=60");
        (await ann.GetAsync("/health/live")).Header("RateLimit-Policy").ShouldBeNull();
    }

    [Theory]
    [InlineData("600", "MST2202: Mainstay:RateLimit is '600', expected requests per time such as 600/1m")]
    [InlineData("600/m", "MST2202:")]
    [InlineData("600/1w", "MST2202:")]
    [InlineData("-1/1m", "MST2202:")]
    [InlineData("600/1m,", "MST2202:")]
    [InlineData("0/1m", "MST2201: The rate limit of Mainstay:RateLimit has 0 requests, expected 1 to 1000000000.")]
    [InlineData("10/32d", "MST2201: The rate limit of Mainstay:RateLimit has the window 32.00:00:00, expected whole seconds from 1 s to 31 days")]
    [InlineData("10/60s, 10/1m", "MST2201: The rate limit of Mainstay:RateLimit has two policies named '10/1m', expected names that clients can tell apart.")]
    public async Task A_default_that_cannot_be_kept_refuses_the_start(string setting, string expected) =>
        (await TestBackend.RefuseAsync(nodes.One.ConnectionString, _ => { }, $"--Mainstay:RateLimit={setting}")).ShouldContain(expected);

    [Fact]
    public async Task Limits_that_cannot_be_kept_refuse_the_start_all_at_once()
    {
        var message = await TestBackend.RefuseAsync(nodes.One.ConnectionString, backend =>
        {
            backend.Query("GET /v1/none", () => "").Allow(Policy.Anyone).RateLimit(0, per: TimeSpan.FromMinutes(1));
            backend.Query("GET /v1/part", () => "").Allow(Policy.Anyone).RateLimit(1, per: TimeSpan.FromSeconds(1.5));
            backend.Query("GET /v1/name", () => "").Allow(Policy.Anyone).RateLimit(1, per: TimeSpan.FromMinutes(1), name: "bürst");
            backend.Query("GET /v1/five", () => "").Allow(Policy.Anyone).RateLimit(1, FromSeconds(1)).RateLimit(2, FromSeconds(2)).RateLimit(3, FromSeconds(3)).RateLimit(4, FromSeconds(4)).RateLimit(5, FromSeconds(5));
            backend.Resource<Jotting>("/v1/notes").AllowRead(Policy.Anyone).RateLimit(1, FromSeconds(1), "same").RateLimit(2, FromSeconds(2), "same");
        });

        message.ShouldContain("MST2201: The rate limit of 'GET /v1/none' has 0 requests, expected 1 to 1000000000.");
        message.ShouldContain("MST2201: The rate limit of 'GET /v1/part' has the window 00:00:01.5000000, expected whole seconds");
        message.ShouldContain("MST2201: The rate limit of 'GET /v1/name' has the name 'bürst', expected 1 to 64 printable ASCII characters");
        message.ShouldContain("MST2201: The rate limit of 'GET /v1/five' has 5 policies, expected at most 4");
        message.ShouldContain("MST2201: The rate limit of resource /v1/notes has two policies named 'same'");
        static TimeSpan FromSeconds(int seconds) => TimeSpan.FromSeconds(seconds);
    }

    [Fact]
    public async Task Counters_whose_window_has_ended_are_removed()
    {
        var (ann, _) = nodes.NewUser();
        (await ann.GetAsync("/v1/small")).Expect(200);
        await nodes.PassAsync(TimeSpan.FromMinutes(2));
        (await ann.GetAsync("/v1/large")).Expect(200);
        var store = new RateLimitStore(nodes.One.Running.Services.Database);

        while (await store.DeleteEndedAsync(TestContext.Current.CancellationToken) > 0)
        {
        }

        (await nodes.One.CountAsync("mainstay.rate_limits where ends_at <= mainstay.now()")).ShouldBe(0);
        (await nodes.One.CountAsync("mainstay.rate_limits")).ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task No_table_holds_the_names_of_callers()
    {
        (await nodes.One.User("someone-private").GetAsync("/v1/small")).Expect(200);

        (await nodes.One.CountAsync("mainstay.rate_limits row where row::text like '%private%'")).ShouldBe(0);
    }

    [Fact]
    public async Task The_problem_has_a_page()
    {
        var (ann, _) = nodes.NewUser();
        Reply refused;
        do
            refused = await ann.GetAsync("/v1/small");
        while (refused.Status == 200);

        refused.Expect(429);
        JsonElement.Parse(refused.Text).GetProperty("type").GetString().ShouldBe("/problems/rate-limited");
        (await ann.GetAsync("/problems/rate-limited")).Status.ShouldBe(200);
    }
}
