using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Dapper;
using Mainstay.Internal;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Idempotency keys in an application that brings its own transactions.</summary>
public sealed class IdempotencyTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private int _runs;

    protected override Task PrepareAsync() => Source.ExecuteAsync(ShopContext.Tables);

    [Fact]
    public async Task Twelve_parallel_requests_with_one_key_leave_one_row_and_one_answer()
    {
        await using var app = await StartAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => PostAsync(app, "/ef", "k", Tea)));
        var texts = await Task.WhenAll(answers.Select(answer => answer.Content.ReadAsStringAsync(Stop)));

        answers.ShouldAllBe(answer => answer.StatusCode == HttpStatusCode.Created);
        texts.Distinct().Count().ShouldBe(1);
        answers.Count(answer => !IsReplayed(answer)).ShouldBe(1);
        (await OrdersAsync()).ShouldBe(1);
    }

    [Theory, InlineData("/ef"), InlineData("/dapper")]
    public async Task A_repetition_gets_the_first_answer_and_the_handler_does_not_run(string path)
    {
        await using var app = await StartAsync();

        var first = await PostAsync(app, path, "k", Tea);
        await Source.ExecuteAsync("delete from orders");
        var second = await PostAsync(app, path, "k", Tea);

        _runs.ShouldBe(1);
        second.StatusCode.ShouldBe(first.StatusCode);
        second.Headers.Location.ShouldBe(first.Headers.Location);
        second.Content.Headers.ContentType.ShouldBe(first.Content.Headers.ContentType);
        (await second.Content.ReadAsStringAsync(Stop)).ShouldBe(await first.Content.ReadAsStringAsync(Stop));
        (IsReplayed(first), IsReplayed(second)).ShouldBe((false, true));
    }

    [Fact]
    public async Task A_key_of_another_request_is_refused_and_still_answers_its_own()
    {
        await using var app = await StartAsync();

        await PostAsync(app, "/ef", "k", Tea);
        var other = await PostAsync(app, "/ef", "k", new OrderByName("coffee", 1));
        var own = await PostAsync(app, "/ef", "k", Tea);

        (await ProblemAsync(other)).ShouldBe((422, "idempotency-key-reused"));
        IsReplayed(own).ShouldBeTrue();
        (await OrdersAsync()).ShouldBe(1);
    }

    [Theory, InlineData("\"open"), InlineData("a, b"), InlineData("\"\""), InlineData("a\\\"b")]
    public async Task A_malformed_key_is_refused(string key)
    {
        await using var app = await StartAsync();

        var answer = await PostAsync(app, "/ef", key, Tea);

        (await ProblemAsync(answer)).ShouldBe((400, "invalid-idempotency-key"));
        (await OrdersAsync()).ShouldBe(0);
    }

    [Fact]
    public async Task Without_a_key_every_request_runs_unless_the_endpoint_needs_one()
    {
        await using var app = await StartAsync();

        var first = await PostAsync(app, "/ef", null, Tea);
        var second = await PostAsync(app, "/ef", null, new OrderByName("coffee", 1));
        var refused = await PostAsync(app, "/required", null, Tea);

        (first.StatusCode, second.StatusCode).ShouldBe((HttpStatusCode.Created, HttpStatusCode.Created));
        (await ProblemAsync(refused)).ShouldBe((400, "idempotency-key-required"));
        refused.Headers.GetValues("Link").ShouldBe(["<https://example.com/keys>; rel=\"describedby\""]);
        (await OrdersAsync()).ShouldBe(2);
        (await ReceiptsAsync()).ShouldBe(0);
    }

    [Fact]
    public async Task A_handler_that_fails_leaves_nothing_and_its_repetition_runs()
    {
        await using var app = await StartAsync();

        var failed = await PostAsync(app, "/fails-once", "k", Tea);
        (await OrdersAsync(), await ReceiptsAsync()).ShouldBe((0, 0));
        var repeated = await PostAsync(app, "/fails-once", "k", Tea);

        (failed.StatusCode, repeated.StatusCode).ShouldBe((HttpStatusCode.InternalServerError, HttpStatusCode.Created));
        (await OrdersAsync(), await ReceiptsAsync()).ShouldBe((1, 1));
    }

    [Fact]
    public async Task A_kept_refusal_is_repeated_and_another_one_decided_afresh()
    {
        await using var app = await StartAsync();

        var kept = new[] { await PostAsync(app, "/refuse-for-good", "a", Tea), await PostAsync(app, "/refuse-for-good", "a", Tea) };
        var fresh = new[] { await PostAsync(app, "/refuse-now", "b", Tea), await PostAsync(app, "/refuse-now", "b", Tea) };

        kept.ShouldAllBe(answer => answer.StatusCode == HttpStatusCode.Conflict);
        fresh.ShouldAllBe(answer => answer.StatusCode == HttpStatusCode.Conflict);
        (IsReplayed(kept[1]), IsReplayed(fresh[1])).ShouldBe((true, false));
        _runs.ShouldBe(3);
        (await OrdersAsync()).ShouldBe(0);
    }

    [Fact]
    public async Task Callers_do_not_share_keys_and_strangers_have_none()
    {
        await using var app = await StartAsync();

        var mine = await PostAsync(app, "/ef", "k", Tea, caller: "me");
        var yours = await PostAsync(app, "/ef", "k", new OrderByName("coffee", 1), caller: "you");
        var stranger = await PostAsync(app, "/ef", "k", new OrderByName("cocoa", 1), caller: null);

        new[] { mine, yours, stranger }.ShouldAllBe(answer => answer.StatusCode == HttpStatusCode.Created && !IsReplayed(answer));
        (await ReceiptsAsync()).ShouldBe(2);
    }

    [Fact]
    public async Task Success_without_a_receipt_is_an_error_in_development_and_a_log_line_in_production()
    {
        await using var development = await StartAsync();
        await using var production = await StartAsync(environment: "Production");

        var shown = await PostAsync(development, "/forgets", "k", Tea);
        var sent = await PostAsync(production, "/forgets", "k", Tea);

        shown.StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
        (await shown.Content.ReadAsStringAsync(Stop)).ShouldStartWith("MST2004");
        sent.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    /// <summary>The second request waits for the first one's row, and fails on it when the first commits: before it comes to its receipt.</summary>
    [Fact]
    public async Task A_duplicate_that_fails_because_the_first_was_faster_gets_the_first_answer()
    {
        var hold = new TaskCompletionSource();
        var holds = new TaskCompletionSource();
        await using var app = await StartAsync(map: routes => routes.MapPost("/slow", async (OrderByName input, ShopContext shop, Receipt receipt) =>
        {
            await using var transaction = await shop.Database.BeginTransactionAsync();
            shop.Orders.Add(new ShopOrder { Product = input.Product, Quantity = input.Quantity });
            await shop.SaveChangesAsync();
            holds.TrySetResult();
            await hold.Task;
            return await receipt.CommitAsync(transaction.GetDbTransaction(), Results.Ok("done"));
        }).WithIdempotency());

        var first = PostAsync(app, "/slow", "k", Tea);
        await holds.Task;
        var second = PostAsync(app, "/slow", "k", Tea);
        await Source.ShouldBecomeAsync("select count(*) from pg_locks where not granted and locktype = 'transactionid' and pid in (select pid from pg_stat_activity where datname = current_database())", 1L);
        hold.SetResult();

        (await first).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await second).StatusCode.ShouldBe(HttpStatusCode.OK);
        IsReplayed(await second).ShouldBeTrue();
        (await OrdersAsync()).ShouldBe(1);
    }

    [Fact]
    public async Task A_duplicate_waits_for_a_request_that_runs_and_is_refused_past_the_limit()
    {
        await using var app = await StartAsync(options: Options with { Wait = TimeSpan.FromMilliseconds(200) });
        await using var connection = await Source.OpenConnectionAsync(Stop);
        await using var running = await connection.BeginTransactionAsync(Stop);
        await connection.ExecuteAsync("insert into mainstay.receipts values ('me', 'k', '', 200, '', '', now() + interval '1 day')", transaction: running);

        var refused = await PostAsync(app, "/ef", "k", Tea);
        await running.RollbackAsync(Stop);
        var repeated = await PostAsync(app, "/ef", "k", Tea);

        (await ProblemAsync(refused)).ShouldBe((409, "request-in-progress"));
        refused.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(1));
        repeated.StatusCode.ShouldBe(HttpStatusCode.Created);
        (await OrdersAsync()).ShouldBe(1);
    }

    [Fact]
    public async Task A_key_starts_afresh_when_its_time_is_over()
    {
        await using var app = await StartAsync();

        await PostAsync(app, "/ef", "k", Tea);
        await Source.ExecuteAsync("update mainstay.receipts set expires_at = now() - interval '1 second'");
        var later = await PostAsync(app, "/ef", "k", new OrderByName("coffee", 1));

        later.StatusCode.ShouldBe(HttpStatusCode.Created);
        (await OrdersAsync(), await ReceiptsAsync()).ShouldBe((2, 1));
    }

    [Fact]
    public async Task A_cookie_belongs_to_one_response_and_is_not_repeated()
    {
        await using var app = await StartAsync(map: routes => routes.MapPost("/cookie", async (NpgsqlDataSource source, Receipt receipt) =>
        {
            await using var connection = await source.OpenConnectionAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            return await receipt.CommitAsync(transaction, new CookieResult());
        }).WithIdempotency());

        var first = await PostAsync(app, "/cookie", "k", Tea);
        var second = await PostAsync(app, "/cookie", "k", Tea);

        first.Headers.GetValues("Set-Cookie").ShouldHaveSingleItem().ShouldStartWith("session=");
        second.Headers.Contains("Set-Cookie").ShouldBeFalse();
        second.Headers.GetValues("Seat").ShouldBe(["12"]);
    }

    [Fact]
    public async Task An_answer_that_is_too_large_to_keep_is_not_committed()
    {
        await using var app = await StartAsync(options: Options with { AnswerBytesMost = 10 });

        var answer = await PostAsync(app, "/ef", "k", Tea);

        (await ProblemAsync(answer)).ShouldBe((422, "answer-too-large"));
        (await OrdersAsync(), await ReceiptsAsync()).ShouldBe((0, 0));
    }

    [Fact]
    public async Task A_body_that_is_too_large_for_its_fingerprint_is_refused()
    {
        await using var app = await StartAsync(options: Options with { BodyBytesMost = 10 });

        (await ProblemAsync(await PostAsync(app, "/ef", "k", Tea))).ShouldBe((413, "body-too-large"));
    }

    [Fact]
    public async Task A_body_that_was_read_before_the_endpoint_is_noticed_unless_it_was_buffered()
    {
        static void ReadEarly(WebApplication routes) => routes.Use(async (http, next) =>
        {
            if (http.Request.Headers.ContainsKey("Buffered"))
                http.Request.EnableBuffering();
            using var reader = new StreamReader(http.Request.Body, leaveOpen: true);
            await reader.ReadToEndAsync();
            await next(http);
        });
        await using var app = await StartAsync(map: ReadEarly);

        var refused = await PostAsync(app, "/ef", "k", Tea);
        app.Client.DefaultRequestHeaders.Add("Buffered", "1");
        var buffered = await PostAsync(app, "/ef", "k", Tea);

        (await refused.Content.ReadAsStringAsync(Stop)).ShouldStartWith("MST2005");
        buffered.StatusCode.ShouldBe(HttpStatusCode.Created);
    }

    [Fact]
    public async Task A_transaction_of_another_database_is_refused()
    {
        await using var app = await StartAsync(options: Options with { ConnectionString = await CreateDatabaseAsync() });

        var answer = await PostAsync(app, "/ef", "k", Tea);

        (await answer.Content.ReadAsStringAsync(Stop)).ShouldStartWith("MST2003");
        (await OrdersAsync()).ShouldBe(0);
    }

    [Fact]
    public async Task A_transaction_that_is_over_is_refused()
    {
        await using var app = await StartAsync(map: routes => routes.MapPost("/over", async (NpgsqlDataSource source, Receipt receipt) =>
        {
            await using var connection = await source.OpenConnectionAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            await transaction.CommitAsync();
            return await receipt.CommitAsync(transaction, Results.Ok());
        }).WithIdempotency());

        (await (await PostAsync(app, "/over", "k", Tea)).Content.ReadAsStringAsync(Stop)).ShouldStartWith("MST2003");
    }

    [Fact]
    public async Task Half_of_the_block_says_what_is_missing()
    {
        await using var noConvention = await StartAsync(map: routes => routes.MapPost("/half", (Receipt receipt) => receipt.IsKeyed));
        await using var noService = await PlainApplication.StartAsync(ConnectionString, _ => { }, app =>
        {
            ShowErrors(app);
            app.MapPost("/half", () => "done").WithIdempotency();
        });

        (await (await PostAsync(noConvention, "/half", "k", Tea)).Content.ReadAsStringAsync(Stop)).ShouldContain(".WithIdempotency()");
        (await (await PostAsync(noService, "/half", "k", Tea)).Content.ReadAsStringAsync(Stop)).ShouldContain("AddIdempotency()");
    }

    [Fact]
    public async Task A_group_of_endpoints_can_have_it()
    {
        await using var app = await StartAsync(map: routes => routes.MapGroup("/group").WithIdempotency().MapPost("/orders", PlaceWithEntityFramework));

        await PostAsync(app, "/group/orders", "k", Tea);
        var second = await PostAsync(app, "/group/orders", "k", Tea);

        IsReplayed(second).ShouldBeTrue();
        (await OrdersAsync()).ShouldBe(1);
    }

    [Fact]
    public async Task Expired_receipts_are_swept()
    {
        await using var app = await StartAsync();
        await PostAsync(app, "/ef", "old", Tea);
        async Task<bool> RotateAsync()
        {
            await Source.ExecuteAsync("update mainstay.receipts_since set at = at - interval '25 hours'");
            return await app.Services.GetRequiredService<Receipts>().RotateAsync(Stop);
        }

        (await RotateAsync()).ShouldBeTrue();
        await PostAsync(app, "/ef", "new", new OrderByName("coffee", 1));
        (await RotateAsync()).ShouldBeFalse("the old ones have not expired");
        await Source.ExecuteAsync("update mainstay.receipts_before set expires_at = now() - interval '1 second'");
        (await RotateAsync()).ShouldBeTrue();

        (await Source.ScalarAsync<string>("select string_agg(key, ',') from (select key from mainstay.receipts union all select key from mainstay.receipts_before) as kept")).ShouldBe("new");
    }

    private static OrderByName Tea { get; } = new("tea", 2);

    private static IdempotencyOptions Options { get; } = new() { Scope = http => http.Request.Headers["Client"], Documentation = new Uri("https://example.com/keys") };

    private Task<PlainApplication> StartAsync(Action<WebApplication>? map = null, IdempotencyOptions? options = null, string environment = "Development") => PlainApplication.StartAsync(ConnectionString, services =>
    {
        services.AddDbContext<ShopContext>(context => context.UseNpgsql(ConnectionString));
        services.AddIdempotency((options ?? Options) with { ConnectionString = options?.ConnectionString ?? ConnectionString });
        services.AddSingleton(Source);
    }, app =>
    {
        ShowErrors(app);
        map?.Invoke(app);
        app.MapPost("/ef", PlaceWithEntityFramework).WithIdempotency();
        app.MapPost("/required", PlaceWithEntityFramework).RequireIdempotencyKey();
        app.MapPost("/dapper", PlaceWithDapper).WithIdempotency();
        app.MapPost("/fails-once", async (OrderByName input, ShopContext shop, Receipt receipt) =>
        {
            await using var transaction = await shop.Database.BeginTransactionAsync();
            shop.Orders.Add(new ShopOrder { Product = input.Product, Quantity = input.Quantity });
            await shop.SaveChangesAsync();
            if (Interlocked.Increment(ref _runs) == 1)
                throw new InvalidOperationException("The first run fails.");
            return await receipt.CommitAsync(transaction.GetDbTransaction(), Results.Created("/orders/1", null));
        }).WithIdempotency();
        app.MapPost("/refuse-for-good", (OrderByName input, Receipt receipt) =>
        {
            Interlocked.Increment(ref _runs);
            return receipt.Refuse(Results.Conflict($"No {input.Product}."));
        }).WithIdempotency();
        app.MapPost("/refuse-now", (OrderByName input) =>
        {
            Interlocked.Increment(ref _runs);
            return TypedResults.Conflict($"No {input.Product}.");
        }).WithIdempotency();
        app.MapPost("/forgets", (OrderByName input) => input.Product).WithIdempotency();
    }, environment);

    private async Task<IResult> PlaceWithEntityFramework(OrderByName input, ShopContext shop, Receipt receipt)
    {
        Interlocked.Increment(ref _runs);
        await using var transaction = await shop.Database.BeginTransactionAsync();
        var order = new ShopOrder { Product = input.Product, Quantity = input.Quantity };
        shop.Orders.Add(order);
        await shop.SaveChangesAsync();
        return await receipt.CommitAsync(transaction.GetDbTransaction(), Results.Created($"/orders/{order.Id}", order));
    }

    private async Task<IResult> PlaceWithDapper(OrderByName input, NpgsqlDataSource source, Receipt receipt)
    {
        Interlocked.Increment(ref _runs);
        await using var connection = await source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var id = await connection.QuerySingleAsync<long>("insert into orders (product, quantity) values (@Product, @Quantity) returning id", input, transaction);
        return await receipt.CommitAsync(transaction, Results.Created($"/orders/{id}", new { id }));
    }

    private static void ShowErrors(WebApplication app) => app.UseExceptionHandler(errors => errors.Run(http => http.Response.WriteAsync(http.Features.Get<IExceptionHandlerFeature>()!.Error.Message)));

    private static async Task<HttpResponseMessage> PostAsync(PlainApplication app, string path, string? key, OrderByName body, string? caller = "me")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, JsonSerializerOptions.Web)) };
        request.Content.Headers.ContentType = new("application/json");
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        if (caller is not null)
            request.Headers.Add("Client", caller);
        return await app.Client.SendAsync(request, Stop);
    }

    private static async Task<(int Status, string? Code)> ProblemAsync(HttpResponseMessage answer)
    {
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>(Stop);
        return ((int)answer.StatusCode, problem.GetProperty("code").GetString());
    }

    private static bool IsReplayed(HttpResponseMessage answer) => answer.Headers.Contains("Idempotency-Replayed");

    private Task<long> OrdersAsync() => Source.ScalarAsync<long>("select count(*) from orders");

    private Task<long> ReceiptsAsync() => Source.ScalarAsync<long>("select count(*) from mainstay.receipts");

    private sealed class CookieResult : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.Cookies.Append("session", "1");
            httpContext.Response.Headers["Seat"] = "12";
            return httpContext.Response.WriteAsync("yes");
        }
    }
}
