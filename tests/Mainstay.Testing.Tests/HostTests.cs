using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Mainstay.Tests;

public sealed class HostTests
{
    private static readonly Product tea = new(Id<Product>.New(), "TEA", "Tea", 4.5m, 10);

    [Fact]
    public async Task A_backend_runs_with_its_whole_pipeline_and_a_database_of_its_own()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        await using var other = await TestBackend.StartAsync(() => Shop.Declare());
        await shop.WorkAsync(work => { work.Insert(tea); return Task.CompletedTask; });

        var order = (await shop.As("ann", "customer").PostAsync("/v1/orders", new PlaceOrder(tea.Id, 2))).Expect(201).Read<Order>();
        await shop.DrainAsync();

        order.CustomerId.ShouldBe("ann");
        order.Total.ShouldBe(9m);
        (await shop.ReadAsync(snapshot => snapshot.RequireAsync(tea.Id))).ShouldBe(tea with { Stock = 8, Sold = 2 });
        (await other.Anonymous.GetAsync("/v1/products")).Expect(200).Data.GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public async Task Callers_are_who_the_test_says_and_nobody_else_can_be()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        var body = new PlaceOrder(tea.Id, 1);

        (await shop.Anonymous.PostAsync("/v1/orders", body)).Expect(401);
        (await shop.As("bob").PostAsync("/v1/orders", body)).Expect(403);
        (await shop.As("ann", "customer").PostAsync("/v1/orders", body)).Expect(404);
        (await shop.Anonymous.PostAsync("/v1/orders", body, "Authorization: Test 00112233")).Expect(401);
        (await shop.Anonymous.GetAsync("/v1/products", "Authorization: Bearer unknown")).Expect(401);
    }

    [Fact]
    public async Task A_way_to_sign_in_that_the_application_has_goes_on_beside_that_of_the_test()
    {
        await using var shop = await TestBackend.StartAsync(() =>
        {
            var backend = Shop.Declare();
            backend.Services.AddAuthentication("badge").AddScheme<AuthenticationSchemeOptions, Badges>("badge", null);
            backend.Query("GET /v1/me", (Snapshot snapshot) => Task.FromResult(snapshot.User.Id)).Allow(Policy.Permission("me.read"));
            return backend;
        });

        (await shop.As(new User("ann", permissions: ["me.read"])).GetAsync("/v1/me")).Expect(200).Data.GetString().ShouldBe("ann");
        (await shop.Anonymous.GetAsync("/v1/me", "Authorization: Badge bob")).Expect(200).Data.GetString().ShouldBe("bob");
        (await shop.Anonymous.GetAsync("/v1/me")).Expect(401);
    }

    [Fact]
    public async Task A_backend_that_tests_share_is_empty_after_a_reset()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());
        for (var test = 0; test < 2; test++)
        {
            await shop.InsertAsync(tea);
            (await shop.As("ann", "customer").PostAsync("/v1/orders", new PlaceOrder(tea.Id, 10), "Idempotency-Key: \"1\"")).Expect(201).Header("Idempotency-Replayed").ShouldBeNull();
            shop.Published<OrderPlaced>().Count.ShouldBe(1);
            await ExecuteAsync(shop, "insert into mainstay.ledger_currencies (code, decimals) values ('EUR', 2)");

            await shop.ResetAsync();

            (await shop.As("sue", "staff").GetAsync("/v1/orders")).Expect(200).Data.GetArrayLength().ShouldBe(0);
            shop.Applied().ShouldBeEmpty();
            shop.Enqueued<AskForReview>().ShouldBeEmpty();
        }
    }

    [Fact]
    public async Task A_reset_empties_the_schemas_of_modules_and_no_others()
    {
        Func<Backend> declare = () =>
        {
            var backend = Shop.Declare();
            backend.Schema("reviews").Resource<Review>("/v1/reviews").BelongsTo(review => review.ProductId).AllowRead(Policy.Anyone).AllowWrite(Shop.Staff);
            return backend;
        };
        await using var shop = await TestBackend.StartAsync(declare);
        await ExecuteAsync(shop, "create schema extension; create table extension.kept as select 1 as number; create table reviews.drafts as select 1 as number");
        await shop.InsertAsync(tea);
        await shop.InsertAsync<Review>(review => review with { ProductId = tea.Id });
        (await shop.Anonymous.GetAsync("/v1/reviews?include=product")).Expect(200).Data[0].GetProperty("product").GetProperty("sku").GetString().ShouldBe(tea.Sku);

        await shop.ResetAsync();

        (await shop.Anonymous.GetAsync("/v1/reviews")).Expect(200).Data.GetArrayLength().ShouldBe(0);
        await using var left = shop.Database.CreateCommand("select array[(select count(*) from extension.kept), (select count(*) from reviews.drafts), (select count(*) from products)]");
        (await left.ExecuteScalarAsync(TestContext.Current.CancellationToken)).ShouldBe(new long[] { 1, 0, 0 });
        // What a generated check counts as an effect is what a reset empties.
        (await BackendChecks.All(declare).Single(check => check.Name == "POST /v1/reviews: applies a duplicate once").RunAsync(shop)).Skipped.ShouldBeNull();
    }

    [Fact]
    public async Task A_reset_forgets_a_test_that_went_wrong()
    {
        var goOn = new TaskCompletionSource();
        await using var shop = await TestBackend.StartAsync(() =>
        {
            var backend = Shop.Declare();
            backend.Services.AddHttpClient("payments", client => client.BaseAddress = new Uri("https://payments.example.com"));
            backend.Job<Attempted>("in order", Task (Attempted job, UnitOfWork work) => job.Number == 1 ? throw new InvalidOperationException("The first fails.") : goOn.Task).InOrderOf((Attempted job) => "all").Retry(1);
            backend.Job<Charge>("charge", async (Charge job, Outbound outbound, IHttpClientFactory clients) =>
            {
                if (job.Id == "late")
                    await goOn.Task;
                using var client = clients.CreateClient("payments");
                await client.GetAsync(new Uri("/", UriKind.Relative), outbound.Cancellation);
            });
            backend.Command("POST /v1/votes", (UnitOfWork work) => Task.FromResult("thanks")).Allow(Shop.Staff).RateLimit(1, TimeSpan.FromDays(1));
            return backend;
        });
        var sue = shop.As("sue", "staff");
        await shop.WorkAsync(work =>
        {
            // One that dies with those that wait behind it, one that runs, and a call that nobody has expected.
            foreach (var number in (int[])[1, 2])
                work.Enqueue(new Attempted(number));
            work.Enqueue(new Charge("late"));
            work.Enqueue(new Charge("soon"));
            return Task.CompletedTask;
        });
        await Should.ThrowAsync<DrainException>(() => shop.DrainAsync(new DrainOptions { Within = TimeSpan.FromMilliseconds(300) }));
        shop.Fake("payments").Answers(200);
        (await sue.PostAsync("/v1/votes")).Expect(200);
        (await sue.PostAsync("/v1/votes")).Expect(429);
        shop.CrashAt(CrashPoint.AfterCommit, of: "POST /v1/votes");
        await ExecuteAsync(shop, "insert into mainstay.replies (id, asked_until, kept_until) values (gen_random_uuid(), mainstay.now(), mainstay.now())");
        await ExecuteAsync(shop, "insert into mainstay.signature_nonces (key_id, nonce, expires_at) values ('k', 'n', mainstay.now())");

        var reset = shop.ResetAsync();
        goOn.SetResult();
        await reset;

        (await sue.PostAsync("/v1/votes")).Expect(200);
        shop.Called("payments").ShouldBeEmpty();
        await shop.DrainAsync();
        await using (var left = shop.Database.CreateCommand("select (select count(*) from mainstay.replies) + (select count(*) from mainstay.signature_nonces) + (select count(*) from mainstay.jobs)"))
            (await left.ExecuteScalarAsync(TestContext.Current.CancellationToken)).ShouldBe(0L);
        // What a fake was told is forgotten too, and the next death is told.
        await shop.WorkAsync(work => { work.Enqueue(new Charge("soon")); return Task.CompletedTask; });
        (await Should.ThrowAsync<DrainException>(() => shop.DrainAsync())).Message.ShouldContain("'payments' was called with GET /");
        await shop.WorkAsync(work => { work.Enqueue(new Attempted(1)); return Task.CompletedTask; });
        (await Should.ThrowAsync<DrainException>(() => shop.DrainAsync())).Message.ShouldContain("'in order' is dead");
    }

    private static async Task ExecuteAsync(TestBackend shop, string sql)
    {
        await using var command = shop.Database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task What_is_wrong_with_the_declarations_is_told_as_by_a_start()
    {
        var refused = await Should.ThrowAsync<ConfigurationException>(() => TestBackend.StartAsync(() =>
        {
            var shop = Shop.Declare();
            shop.Command("POST /v1/nothing", (UnitOfWork work) => Task.FromResult(1));
            return shop;
        }));

        refused.Message.ShouldContain("MST1005");
    }

    [Fact]
    public async Task A_start_can_be_given_settings_and_services()
    {
        var greeting = new Greeting("Hello");
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare(), new TestOptions { Configure = backend => backend.Services.AddSingleton(greeting) });

        shop.Service<Greeting>().ShouldBeSameAs(greeting);
        var misspelt = new TestOptions { Settings = new Dictionary<string, string?> { ["Mainstay:Qeues:Workers"] = "1" } };
        (await Should.ThrowAsync<ConfigurationException>(() => TestBackend.StartAsync(() => Shop.Declare(), misspelt))).Message.ShouldContain("Mainstay:Queues:Workers");
    }

    [Fact]
    public async Task An_unexpected_status_is_told_with_everything_that_came_back_and_what_was_logged()
    {
        await using var shop = await TestBackend.StartAsync(() =>
        {
            var backend = Shop.Declare();
            backend.Query("GET /v1/broken", string () => throw new InvalidOperationException("The teapot is broken.")).Allow(Policy.Anyone);
            return backend;
        });

        var failure = Should.Throw<InvalidOperationException>(async () => (await shop.Anonymous.GetAsync("/v1/broken")).Expect(200));

        failure.Message.ShouldContain("The status is 500, expected 200.");
        failure.Message.ShouldContain("internal-error");
        failure.Message.ShouldContain("The teapot is broken.");
    }
}

public sealed record Greeting(string Text);

public sealed record Review(Id<Review> Id, Id<Product> ProductId, [property: System.ComponentModel.DataAnnotations.MaxLength(200)] string Text);

internal sealed class Badges(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(Request.Headers.Authorization.ToString().Split(' ') is ["Badge", var id]
        ? AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity([new Claim("sub", id), new Claim("permission", "me.read")], "badge")), "badge"))
        : AuthenticateResult.NoResult());
}
