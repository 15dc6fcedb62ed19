using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Limits in an application that is not a backend.</summary>
public sealed class RateLimitsAloneTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Endpoints_of_any_application_are_limited_over_all_its_nodes()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(database);
        await using var two = await StartAsync(database);

        using var first = await GetAsync(one, "/both", "ann");
        using var second = await GetAsync(two, "/both", "ann");
        using var refused = await GetAsync(one, "/both", "ann");
        using var other = await GetAsync(one, "/both", "bob");
        using var neighbour = await GetAsync(one, "/single", "ann");
        using var stranger = await GetAsync(one, "/single", null);

        Field(first, "RateLimit-Policy").ShouldBe("\"burst\";q=2;w=60, \"daily\";q=10;w=86400");
        Field(second, "RateLimit").ShouldBe("\"burst\";r=0;t=60, \"daily\";r=8;t=86400");
        refused.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
        refused.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        (await refused.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldContain("\"code\":\"rate-limited\"");
        refused.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromMinutes(1));
        Field(refused, "RateLimit").ShouldBe("\"burst\";r=0;t=60");
        new[] { first, second, other, neighbour, stranger }.ShouldAllBe(response => response.StatusCode == HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_replay_is_not_counted_in_whichever_order_the_blocks_are_named()
    {
        await using var application = await StartAsync(await postgres.CreateDatabaseAsync());
        foreach (var path in new[] { "/limited-keyed", "/keyed-limited" })
        {
            async Task<(HttpStatusCode, bool)> PostAsync(string key)
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, path) { Headers = { { "Client", "ann" }, { "Idempotency-Key", key } } };
                using var response = await application.Client.SendAsync(request, TestContext.Current.CancellationToken);
                return (response.StatusCode, response.Headers.Contains("Idempotency-Replayed"));
            }

            (await PostAsync(path + "1")).ShouldBe((HttpStatusCode.OK, false));
            (await PostAsync(path + "1")).ShouldBe((HttpStatusCode.OK, true));
            (await PostAsync(path + "2")).ShouldBe((HttpStatusCode.OK, false));
            (await PostAsync(path + "3")).ShouldBe((HttpStatusCode.TooManyRequests, false));
            (await PostAsync(path + "2")).ShouldBe((HttpStatusCode.OK, true));
        }
    }

    [Fact]
    public void What_cannot_be_kept_is_said_where_it_is_declared()
    {
        Should.Throw<ConfigurationException>(() => new ServiceCollection().AddRateLimits().AddRateLimits()).Code.ShouldBe("MST2203");
        Should.Throw<ConfigurationException>(() => WebApplication.CreateSlimBuilder().Build().MapGet("/x", () => "x").WithRateLimit(0, TimeSpan.FromMinutes(1))).Code.ShouldBe("MST2201");
    }

    /// <summary>A node whose time, and that of the database, stands still.</summary>
    private static async Task<PlainApplication> StartAsync(string database)
    {
        var application = await StartRunningAsync(database);
        await application.Services.GetRequiredService<NpgsqlDataSource>().ExecuteAsync("""
            do $$ begin
                execute format('create or replace function mainstay.now() returns timestamptz language sql stable parallel safe as %L', format('select timestamptz %L', now()));
            end $$
            """);
        return application;
    }

    private static Task<PlainApplication> StartRunningAsync(string database) => PlainApplication.StartAsync(database, services =>
    {
        services.AddSingleton<TimeProvider>(new ManualClock());
        services.AddSingleton(NpgsqlDataSource.Create(database));
        services.AddRateLimits(new RateLimitOptions { Caller = http => http.Request.Headers["Client"] });
        services.AddIdempotency(new IdempotencyOptions { Scope = http => http.Request.Headers["Client"] });
    }, app =>
    {
        app.MapGet("/both", () => "both").WithRateLimit(2, TimeSpan.FromMinutes(1), "burst").WithRateLimit(10, TimeSpan.FromDays(1), "daily");
        app.MapGroup("").WithRateLimit(1, TimeSpan.FromMinutes(1)).MapGet("/single", () => "single");
        app.MapPost("/limited-keyed", KeepAsync).WithRateLimit(2, TimeSpan.FromMinutes(1)).WithIdempotency();
        app.MapPost("/keyed-limited", KeepAsync).WithIdempotency().WithRateLimit(2, TimeSpan.FromMinutes(1));
    });

    private static async Task<IResult> KeepAsync(NpgsqlDataSource source, Receipt receipt)
    {
        await using var connection = await source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        return await receipt.CommitAsync(transaction, Results.Ok("done"));
    }

    private static async Task<HttpResponseMessage> GetAsync(PlainApplication application, string path, string? client)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (client is not null)
            request.Headers.Add("Client", client);
        return await application.Client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    private static string Field(HttpResponseMessage response, string name) => string.Join(", ", response.Headers.GetValues(name));
}
