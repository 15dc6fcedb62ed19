using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>A backend that keeps what it promises passes, and for each promise one that breaks it is found.</summary>
public sealed class CheckTests
{
    [Fact]
    public async Task A_sound_backend_passes_and_what_could_not_be_looked_at_is_told()
    {
        await using var shop = await TestBackend.StartAsync(() => Shop.Declare());

        var results = await shop.CheckAsync(new CheckOptions
        {
            Inputs = new Dictionary<string, Func<TestBackend, Task<object>>>
            {
                ["POST /v1/orders"] = async backend => new PlaceOrder((await backend.InsertAsync<Product>(product => product with { Stock = 100 })).Id, 1),
            },
        });

        results.Select(result => result.Name).ShouldContain("POST /v1/orders: applies a duplicate once");
        results.Where(result => result.Skipped is not null).Select(result => $"{result.Name}: {result.Skipped}").ShouldBe(
        [
            "GET /v1/products: denies whoever has not signed in: it is allowed to anyone",
            "GET /v1/products/{id}: denies whoever has not signed in: it is allowed to anyone",
        ]);
    }

    [Fact]
    public void The_checks_are_data_for_a_theory_and_names_that_do_not_exist_are_refused()
    {
        var checks = BackendChecks.All(() => Shop.Declare());

        checks.Count.ShouldBeGreaterThan(30);
        checks.Select(check => check.Name).ShouldBeUnique();
        Should.Throw<ArgumentException>(() => BackendChecks.All(() => Shop.Declare(), new CheckOptions { Public = ["POST /v1/oders"] })).Message.ShouldContain("Did you mean 'POST /v1/orders'?");
        Should.Throw<ArgumentException>(() => BackendChecks.All(() => Shop.Declare(), new CheckOptions { Except = new Dictionary<string, string> { ["GET /v1/orders: is fast"] = "" } }));
    }

    [Fact]
    public async Task A_command_that_anyone_may_call_is_found_unless_it_is_meant()
    {
        Func<Backend> declare = () => With(backend => backend.Command("POST /v1/votes", (UnitOfWork work) => Task.FromResult("thanks")).Allow(Policy.Anyone));

        (await FindAsync(declare, "POST /v1/votes: denies whoever has not signed in")).ShouldContain("anyone may call it, and it changes data");
        (await RunAsync(declare, "POST /v1/votes: denies whoever has not signed in", new CheckOptions { Public = ["POST /v1/votes"] })).Skipped.ShouldBe("it is allowed to anyone");
    }

    [Fact]
    public async Task A_service_that_lets_everybody_in_is_found()
    {
        // As a scheme of the application could, which takes whoever sends nothing for somebody.
        Func<Backend> declare = () => With(backend =>
        {
            backend.Services.AddAuthentication("guest").AddScheme<Microsoft.AspNetCore.Authentication.AuthenticationSchemeOptions, Guests>("guest", null);
            backend.Command("POST /v1/votes", (UnitOfWork work) => Task.FromResult("thanks")).Allow(Policy.SignedIn);
        });

        (await FindAsync(declare, "POST /v1/votes: denies whoever has not signed in")).ShouldContain("is answered 200, expected 401");
    }

    [Fact]
    public async Task A_handler_that_writes_beside_its_transaction_is_found()
    {
        Func<Backend> declare = () => With(backend =>
        {
            backend.Services.AddSingleton<Beside>();
            backend.Command("POST /v1/notes", async (UnitOfWork work, Beside beside) =>
            {
                await beside.InsertAsync();
                return "noted";
            }).Allow(Shop.Staff);
        });
        await using var shop = await TestBackend.StartAsync(declare);
        shop.Service<Beside>().Source = shop.Database;

        var found = await Should.ThrowAsync<CheckException>(() => Check(declare, "POST /v1/notes: applies a duplicate once", null).RunAsync(shop));

        found.Message.ShouldContain("the second request with one Idempotency-Key has changed public.products again");
    }

    [Fact]
    public async Task A_command_for_anyone_whose_keys_are_not_kept_is_found()
    {
        Func<Backend> declare = () => With(backend => backend.Command("POST /v1/votes", (UnitOfWork work) =>
        {
            work.Enqueue(new AskForReview(Id<Order>.New()), after: TimeSpan.FromDays(1));
            return Task.FromResult("thanks");
        }).Allow(Policy.Anyone));

        (await FindAsync(declare, "POST /v1/votes: applies a duplicate once")).ShouldContain("POST /v1/votes");
    }

    [Fact]
    public async Task A_list_that_asks_for_each_row_is_found()
    {
        Func<Backend> declare = () => With(backend => backend.Query("GET /v1/shelf", async (Snapshot snapshot) =>
        {
            var shelf = new List<Product>();
            foreach (var id in await snapshot.QueryAsync<Id<Product>>($"select id from products limit 100"))
                shelf.Add(await snapshot.RequireAsync(id));
            return shelf;
        }).Allow(Policy.Anyone));

        var found = await FindAsync(declare, "GET /v1/shelf: costs the same when data grows");
        found.ShouldContain("statements to the database with 1 more row in each table");
        found.ShouldContain("one statement instead of one for each");
    }

    [Fact]
    public async Task A_statement_for_each_row_is_found_in_reads_of_one_thing_and_in_commands()
    {
        Func<Backend> declare = () => With(backend =>
        {
            backend.Query("GET /v1/products/{id}/demand", async (OfProduct input, Snapshot snapshot) =>
            {
                var demand = 0;
                foreach (var id in await snapshot.QueryAsync<Id<Order>>($"select id from orders where product_id = {input.Id}"))
                    demand += (await snapshot.RequireAsync(id)).Quantity;
                return new Demand(demand);
            }).Allow(Shop.Staff);
            backend.Command("POST /v1/products/{id}/count", async (OfProduct input, UnitOfWork work) =>
            {
                var demand = 0;
                foreach (var id in await work.QueryAsync<Id<Order>>($"select id from orders where product_id = {input.Id}"))
                    demand += (await work.RequireAsync(id)).Quantity;
                return new Demand(demand);
            }).Allow(Shop.Staff);
            // All in one round trip, with the commit.
            backend.Command("POST /v1/products/{id}/remind", async (OfProduct input, UnitOfWork work) =>
            {
                foreach (var id in await work.QueryAsync<Id<Order>>($"select id from orders where product_id = {input.Id}"))
                    work.Execute($"update orders set is_review_asked = true where id = {id}");
            }).Allow(Shop.Staff);
            backend.Command("POST /v1/reminders", async (Sale input, UnitOfWork work) =>
            {
                foreach (var id in await work.QueryAsync<Id<Order>>($"select id from orders where product_id = {input.ProductId}"))
                    await work.LockAsync(id);
            }).Allow(Shop.Staff);
            backend.Command("POST /v1/products/{id}/sum", async (OfProduct input, UnitOfWork work) =>
                new Demand((await work.QueryAsync<int>($"select quantity from orders where product_id = {input.Id}")).Sum())).Allow(Shop.Staff);
        });
        await using var shop = await TestBackend.StartAsync(declare);
        var given = new CheckOptions { Inputs = new Dictionary<string, Func<TestBackend, Task<object>>> { ["POST /v1/reminders"] = async backend => new Sale((await backend.InsertAsync<Product>()).Id) } };

        foreach (var operation in (string[])["GET /v1/products/{id}/demand", "POST /v1/products/{id}/count", "POST /v1/products/{id}/remind", "POST /v1/reminders"])
            (await Should.ThrowAsync<CheckException>(() => Check(declare, $"{operation}: costs the same when data grows", given).RunAsync(shop), operation)).Message.ShouldContain("statements to the database with 1 more row in each table");
        (await Check(declare, "POST /v1/products/{id}/sum: costs the same when data grows", given).RunAsync(shop)).Skipped.ShouldBeNull();
    }

    [Fact]
    public async Task Where_the_cost_cannot_be_looked_at_that_is_told()
    {
        Func<Backend> declare = () => With(backend =>
        {
            backend.Command("POST /v1/stocktakings", (UnitOfWork work) => Task.FromResult("counted")).Allow(Shop.Staff).LongRunning();
            backend.Resource<Coupon>("/v1/coupons").AllowRead(Policy.Anyone);
        });

        await using var shop = await TestBackend.StartAsync(declare);

        (await Check(declare, "POST /v1/stocktakings: costs the same when data grows", null).RunAsync(shop)).Skipped.ShouldBe("it is done after its answer, where its statements are not counted");
        (await Check(declare, "GET /v1/products/{id}: costs the same when data grows", null).RunAsync(shop)).Skipped!.ShouldStartWith("there were no more rows of coupons: Coupon cannot be made valid from its declaration alone");
        (await RunAsync(Bare, "GET /v1/time: costs the same when data grows")).Skipped.ShouldBe("the backend declares no resource of which there could be more rows");
    }

    private static Backend Bare()
    {
        var backend = Backend.Create("bare", []);
        backend.Query("GET /v1/time", () => new Demand(1)).Allow(Policy.Anyone);
        return backend;
    }

    [Fact]
    public async Task An_empty_text_that_breaks_a_handler_is_found()
    {
        Func<Backend> declare = () => With(backend => backend.Command("POST /v1/labels", (Label input, UnitOfWork work) => Task.FromResult($"{input.Text[0]}")).Allow(Shop.Staff));

        (await FindAsync(declare, "POST /v1/labels: refuses bad input")).ShouldContain("the member text that is empty is answered 500");
    }

    [Fact]
    public async Task An_annotation_that_breaks_on_bad_input_is_found()
    {
        Func<Backend> declare = () => With(backend => backend.Command("POST /v1/codes", (Picky input, UnitOfWork work) => Task.FromResult(input.Code)).Allow(Shop.Staff));

        (await FindAsync(declare, "POST /v1/codes: refuses bad input")).ShouldContain("is answered 500");
    }

    [Fact]
    public async Task Bad_input_is_looked_at_where_a_key_is_required_and_not_where_all_input_is_refused()
    {
        Func<Backend> declare = () => With(backend =>
        {
            backend.Command("POST /v1/codes", (Picky input, UnitOfWork work) => Task.FromResult(input.Code)).Allow(Shop.Staff).RequireIdempotencyKey();
            backend.Command("POST /v1/notes", (Label input, UnitOfWork work) => Task.FromResult(input.Text)).Allow(Shop.Staff).RateLimit(2, TimeSpan.FromHours(1));
        });

        (await FindAsync(declare, "POST /v1/codes: refuses bad input")).ShouldContain("is answered 500");
        (await RunAsync(declare, "POST /v1/notes: refuses bad input")).Skipped!.ShouldEndWith("is refused with 429 rate-limited, as any input would be");
    }

    [Fact]
    public async Task Two_at_the_same_time_have_input_of_their_own_and_what_is_refused_then_is_told()
    {
        var taken = 0;
        Func<Backend> declare = () => With(backend =>
        {
            var full = backend.Problem("full", 409, "The hall is full");
            backend.Command("POST /v1/seats", string (UnitOfWork work) => Interlocked.Increment(ref taken) > 1 ? throw full.Because("There is no seat left.") : "taken").Allow(Shop.Staff).Refuses(full);
            backend.Command("POST /v1/sales", async (Sale input, UnitOfWork work) =>
            {
                var product = await work.LockAsync(input.ProductId);
                if (product.Stock == 0)
                    throw full.Because("It is sold out.");
                work.Update(product with { Stock = product.Stock - 1 });
                return "sold";
            }).Allow(Shop.Staff).Refuses(full);
        });
        var one = new CheckOptions { Inputs = new Dictionary<string, Func<TestBackend, Task<object>>> { ["POST /v1/sales"] = async shop => new Sale((await shop.InsertAsync<Product>(product => product with { Stock = 1 })).Id) } };

        (await RunAsync(declare, "POST /v1/seats: applies a duplicate once")).Skipped!.ShouldStartWith("two at the same time could not be looked at: the generated input is refused with 409 full");
        (await RunAsync(declare, "POST /v1/sales: applies a duplicate once", one)).Skipped.ShouldBeNull();
    }

    [Fact]
    public async Task Work_that_does_not_end_is_a_finding_of_its_check_alone()
    {
        Func<Backend> declare = () => With(backend => backend.Command("POST /v1/letters", async (UnitOfWork work) =>
        {
            await work.ExecuteAsync($"select mainstay.enqueue('forgotten', '{{}}')");
            return "sent";
        }).Allow(Shop.Staff));
        await using var shop = await TestBackend.StartAsync(declare);

        var found = await Should.ThrowAsync<CheckException>(() => Check(declare, "POST /v1/letters: applies a duplicate once", null).RunAsync(shop));

        found.Message.ShouldStartWith("POST /v1/letters: applies a duplicate once: Work is open that nobody will do as things are");
        (await Check(declare, "GET /v1/products: refuses bad input", null).RunAsync(shop)).Skipped.ShouldBeNull();
    }

    [Fact]
    public async Task What_cannot_be_generated_is_skipped_with_what_to_do()
    {
        Func<Backend> declare = () => With(backend =>
        {
            var full = backend.Problem("full", 409, "The hall is full");
            backend.Command("POST /v1/seats", string (UnitOfWork work) => throw full.Because("There is no seat left.")).Allow(Shop.Staff).Refuses(full);
            backend.Query("GET /v1/days", () => new[] { 1, 2, 3 }).Allow(Policy.Anyone);
        });

        (await RunAsync(declare, "POST /v1/seats: applies a duplicate once")).Skipped.ShouldBe("the generated input is refused with 409 full: give a valid one in CheckOptions.Inputs[\"POST /v1/seats\"]");
        (await RunAsync(declare, "POST /v1/seats: refuses bad input")).Skipped.ShouldBe("the generated input is refused with 409 full: give a valid one in CheckOptions.Inputs[\"POST /v1/seats\"]");
        (await RunAsync(declare, "GET /v1/days: costs the same when data grows")).Skipped!.ShouldContain("the answer has 3 elements, whatever there is");
        (await RunAsync(declare, "GET /v1/days: refuses bad input", new CheckOptions { Except = new Dictionary<string, string> { ["GET /v1/days: refuses bad input"] = "told elsewhere" } })).Skipped.ShouldBe("told elsewhere");
    }

    [Fact]
    public async Task What_a_check_has_begun_ends_before_the_check_does()
    {
        Func<Backend> declare = () => With(backend =>
        {
            backend.Dependency("printer", "https://printer.example.com");
            backend.Job<Label>("print", (Label label, Outbound outbound) => outbound.PostAsync("printer", "/labels", label));
            backend.Command("POST /v1/labels", (Label input, UnitOfWork work) =>
            {
                work.Enqueue(input);
                return Task.FromResult("enqueued");
            }).Allow(Shop.Staff);
        });
        await using var shop = await TestBackend.StartAsync(declare);

        await Check(declare, "POST /v1/labels: refuses bad input", null).RunAsync(shop);
        var called = shop.Called("printer").Count;
        await shop.DrainAsync();

        called.ShouldBeGreaterThan(0);
        shop.Called("printer").Count.ShouldBe(called);
    }

    private static Backend With(Action<Backend> declare)
    {
        var backend = Shop.Declare();
        declare(backend);
        return backend;
    }

    private static BackendCheck Check(Func<Backend> declare, string name, CheckOptions? options) => BackendChecks.All(declare, options).Single(check => check.Name == name);

    private static async Task<CheckResult> RunAsync(Func<Backend> declare, string name, CheckOptions? options = null)
    {
        await using var shop = await TestBackend.StartAsync(declare);
        return await Check(declare, name, options).RunAsync(shop);
    }

    private static async Task<string> FindAsync(Func<Backend> declare, string name) => (await Should.ThrowAsync<CheckException>(() => RunAsync(declare, name))).Message;

    private sealed class Beside
    {
        public NpgsqlDataSource? Source { get; set; }

        public async Task InsertAsync()
        {
            if (Source is null)
                return;
            await using var command = Source.CreateCommand("insert into products (id, sku, name, price, stock, sold, row_version) values (gen_random_uuid(), gen_random_uuid()::text, 'beside', 1, 1, 0, 1)");
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }
    }
}

public sealed record Label(string Text);

public sealed record OfProduct(Id<Product> Id);

public sealed record Demand(int Pieces);

public sealed record Coupon(Id<Coupon> Id, [property: RegularExpression("[A-Z]{4}"), MaxLength(4)] string Code);

public sealed record Sale(Id<Product> ProductId);

public sealed record Picky([property: FirstLetter] string Code);

[AttributeUsage(AttributeTargets.Property)]
public sealed class FirstLetterAttribute : ValidationAttribute
{
    public override bool IsValid(object? value) => char.IsLetter(((string)value!)[0]);
}

internal sealed class Guests(Microsoft.Extensions.Options.IOptionsMonitor<Microsoft.AspNetCore.Authentication.AuthenticationSchemeOptions> options, Microsoft.Extensions.Logging.ILoggerFactory logger, System.Text.Encodings.Web.UrlEncoder encoder)
    : Microsoft.AspNetCore.Authentication.AuthenticationHandler<Microsoft.AspNetCore.Authentication.AuthenticationSchemeOptions>(options, logger, encoder)
{
    protected override Task<Microsoft.AspNetCore.Authentication.AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(Microsoft.AspNetCore.Authentication.AuthenticateResult.Success(
        new Microsoft.AspNetCore.Authentication.AuthenticationTicket(new System.Security.Claims.ClaimsPrincipal(new System.Security.Claims.ClaimsIdentity([new System.Security.Claims.Claim("sub", "guest")], "guest")), "guest")));
}
