using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

public sealed class FakeTests
{
    [Fact]
    public async Task A_fake_answers_what_the_test_says_and_tells_what_it_was_asked()
    {
        await using var shop = await TestBackend.StartAsync(Paying);
        shop.Fake("payments").On("POST /charges").Answers(201, call => new Charge("ch_" + call.Read<Charge>().Id));

        (await shop.As("ann").PostAsync("/v1/ask", new Charge("1"))).Expect(200).Data.GetString().ShouldBe("ch_1");

        var call = shop.Called("payments").Single();
        (call.Method, call.Path, call.IdempotencyKey, call.Node).ShouldBe(("POST", "/charges?from=shop", "key-1", 1));
        call.Read<Charge>().ShouldBe(new Charge("1"));
    }

    [Fact]
    public async Task Failures_come_before_answers_and_each_counts_once()
    {
        await using var shop = await TestBackend.StartAsync(Paying);
        shop.Fake("payments").FailsTimes(2).Dies().Answers(201, new Charge("done"));
        await shop.WorkAsync(work => { work.Enqueue(new Charge("1")); return Task.CompletedTask; });

        await shop.PassAsync(TimeSpan.FromHours(1));

        shop.Applied("charge").Single().Attempt.ShouldBe(4);
        shop.Called("payments").Count.ShouldBe(4);
        shop.Called("payments").Select(call => call.IdempotencyKey).Distinct().Count().ShouldBe(1);
    }

    [Fact]
    public async Task A_call_that_is_never_answered_ends_by_the_timeout_of_the_one_who_calls()
    {
        await using var shop = await TestBackend.StartAsync(Paying);
        shop.Fake("payments").TimesOut().Answers(201, new Charge("done"));
        await shop.WorkAsync(work => { work.Enqueue(new Charge("1")); return Task.CompletedTask; });
        await UntilAsync(() => shop.Called("payments").Count == 1);

        await shop.Clock.AdvanceAsync(TimeSpan.FromSeconds(31));
        await shop.DrainAsync();
        await shop.PassAsync(TimeSpan.FromMinutes(1));

        shop.Applied("charge").Single().Attempt.ShouldBe(2);
    }

    [Fact]
    public async Task A_declared_dependency_is_played_too()
    {
        await using var shop = await TestBackend.StartAsync(() =>
        {
            var backend = Shop.Declare();
            backend.Dependency("payments", "https://payments.example.com");
            backend.Job<Charge>("charge", (Charge job, Outbound outbound) => outbound.PostAsync("payments", "/charges", job)).Retry(3);
            return backend;
        });
        shop.Fake("payments").On("POST /charges").Dies().Answers(201, new Charge("done"));
        await shop.WorkAsync(work => { work.Enqueue(new Charge("1")); return Task.CompletedTask; });

        await shop.PassAsync(TimeSpan.FromMinutes(1));

        shop.Applied("charge").Single().Attempt.ShouldBe(2);
        shop.Called("payments").Select(call => (call.Read<Charge>(), call.IdempotencyKey)).Distinct().Single().Item1.ShouldBe(new Charge("1"));
    }

    [Fact]
    public async Task A_fake_passes_calls_on_to_a_server_of_the_test()
    {
        await using var server = await TestBackend.StartAsync(() =>
        {
            var backend = Shop.Declare();
            backend.Command("POST /v1/labels", (Label label, UnitOfWork work) => Task.FromResult(label)).Allow(Policy.Anyone);
            return backend;
        });
        await using var shop = await TestBackend.StartAsync(Paying);
        shop.Fake("payments").Dies().PassesTo(server.Node.Address);
        using var client = shop.Service<IHttpClientFactory>().CreateClient("payments");
        var call = () => client.PostAsync(new Uri("/v1/labels", UriKind.Relative), new StringContent("""{"text":"tea"}""", null, "application/json"), TestContext.Current.CancellationToken);

        await Should.ThrowAsync<HttpRequestException>(call);
        using var response = await call();

        ((int)response.StatusCode).ShouldBe(200);
        (await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldContain("""{"data":{"text":"tea"}""");
        shop.Called("payments").Count.ShouldBe(2);
    }

    [Fact]
    public async Task Routes_are_told_apart_and_the_last_that_fits_answers()
    {
        await using var shop = await TestBackend.StartAsync(Paying);
        var fake = shop.Fake("payments");
        fake.On("POST /charges").Answers(201, "\"plain\"");
        fake.On("POST /charges/{id}/refunds").Answers(200, "\"refund\"");

        using var client = shop.Service<IHttpClientFactory>().CreateClient("payments");
        (await (await client.PostAsync(new Uri("/charges", UriKind.Relative), null, TestContext.Current.CancellationToken)).Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldBe("\"plain\"");
        (await (await client.PostAsync(new Uri("/charges/7/refunds", UriKind.Relative), null, TestContext.Current.CancellationToken)).Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldBe("\"refund\"");
        fake.On("POST /charges").FailsTimes(1);
        ((int)(await client.PostAsync(new Uri("/charges", UriKind.Relative), null, TestContext.Current.CancellationToken)).StatusCode).ShouldBe(503);
        ((int)(await client.PostAsync(new Uri("/charges", UriKind.Relative), null, TestContext.Current.CancellationToken)).StatusCode).ShouldBe(201);
    }

    [Fact]
    public async Task Each_answer_is_for_one_call_and_the_last_for_all_that_follow()
    {
        await using var shop = await TestBackend.StartAsync(Paying);
        var route = shop.Fake("payments").On("POST /charges").Answers(201).Answers(202).FailsTimes(1).Answers(200);
        using var client = shop.Service<IHttpClientFactory>().CreateClient("payments");
        async Task<int> CallAsync() => (int)(await client.PostAsync(new Uri("/charges", UriKind.Relative), null, TestContext.Current.CancellationToken)).StatusCode;
        async Task<int[]> CallsAsync(int count)
        {
            var statuses = new int[count];
            for (var i = 0; i < count; i++)
                statuses[i] = await CallAsync();
            return statuses;
        }

        (await CallsAsync(5)).ShouldBe([201, 202, 503, 200, 200]);
        route.FailsTimes(1);
        (await CallsAsync(2)).ShouldBe([503, 200]);
        route.Answers(204).FailsTimes(1);
        (await CallsAsync(3)).ShouldBe([204, 503, 204]);
    }

    [Fact]
    public async Task A_call_of_which_the_test_says_nothing_fails_it_and_leaves_the_machine_never()
    {
        await using var shop = await TestBackend.StartAsync(Paying);
        await shop.WorkAsync(work => { work.Enqueue(new Charge("1")); return Task.CompletedTask; });

        var failure = await Should.ThrowAsync<DrainException>(() => shop.DrainAsync());

        failure.Message.ShouldContain("'payments' was called with POST /charges?from=shop, and the test does not say what it answers.");
        failure.Message.ShouldContain("Fake(\"payments\").On(\"POST /charges\").Answers(200, …)");
        await shop.DrainAsync();
        Should.Throw<ArgumentException>(() => shop.Fake("payments").On("charges"));
    }

    [Fact]
    public async Task A_node_that_was_killed_calls_nobody_any_more()
    {
        await using var shop = await TestBackend.StartAsync(Paying);
        shop.Fake("payments").Answers(201, new Charge("done"));
        var factory = shop.Service<IHttpClientFactory>();
        await shop.Node.KillAsync();

        using var client = factory.CreateClient("payments");
        using var patience = new CancellationTokenSource();
        var call = client.PostAsync(new Uri("/charges", UriKind.Relative), null, patience.Token);
        await patience.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => call);
        shop.Called("payments").ShouldBeEmpty();
    }

    private static Backend Paying()
    {
        var backend = Shop.Declare();
        backend.Services.AddHttpClient("payments", client => client.BaseAddress = new Uri("https://payments.example.com"));
        backend.Job<Charge>("charge", async (Charge job, Outbound outbound, IHttpClientFactory clients) => await ChargeAsync(clients, job, outbound.Key, outbound.Cancellation)).Retry(6, TimeSpan.FromSeconds(5));
        backend.Query("POST /v1/ask", (Charge input, IHttpClientFactory clients) => ChargeAsync(clients, input, "key-1", CancellationToken.None)).Allow(Policy.SignedIn);
        return backend;
    }

    private static async Task<string> ChargeAsync(IHttpClientFactory clients, Charge charge, string key, CancellationToken cancellation)
    {
        using var client = clients.CreateClient("payments");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/charges?from=shop") { Content = new StringContent($$"""{"id":"{{charge.Id}}"}""") };
        request.Headers.Add("Idempotency-Key", key);
        using var response = await client.SendAsync(request, cancellation);
        response.EnsureSuccessStatusCode();
        return System.Text.Json.JsonElement.Parse(await response.Content.ReadAsStringAsync(cancellation)).GetProperty("id").GetString()!;
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!condition())
            await Task.Delay(5, patience.Token);
    }
}

public sealed record Charge(string Id);
