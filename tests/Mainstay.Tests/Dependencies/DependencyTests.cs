using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

/// <summary>Handlers call declared services. Each test has its own database, and plays the other side.</summary>
public sealed class DependencyTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private readonly ConcurrentQueue<string> _keys = new();
    private volatile int _status = 201;
    private int _failures;

    [Fact]
    public async Task A_call_carries_a_key_that_stays_and_its_answer_is_read()
    {
        await using var other = await PlayAsync();
        _failures = 2;
        await using var backend = await StartAsync(other, (job, outbound) => Task.CompletedTask);

        await EnqueueAsync(backend, "a");
        await Source.ShouldBecomeAsync("select coalesce(string_agg(text, ', '), '') from effects", "ch_a 12.5");

        _keys.Count.ShouldBeGreaterThan(2);
        _keys.Distinct().Count().ShouldBe(1);
        Guid.Parse(_keys.First()).Version.ShouldBe(8);
    }

    [Fact]
    public async Task What_the_other_side_refuses_is_for_the_handler_to_judge()
    {
        await using var other = await PlayAsync();
        _status = 402;
        var seen = new TaskCompletionSource<DependencyException>();
        await using var backend = await StartAsync(other, (job, outbound) => Task.CompletedTask, seen);

        await EnqueueAsync(backend, "a");
        var refused = await seen.Task.WaitAsync(TimeSpan.FromSeconds(20), Stop);

        (refused.Dependency, refused.Status, refused.Body).ShouldBe(("payments", 402, "{\"id\":\"ch_a\",\"amount\":12.5,\"note\":\"passed over\"}"));
    }

    [Fact]
    public async Task One_that_is_not_declared_or_has_no_address_is_an_error_that_says_so()
    {
        await using var other = await PlayAsync();
        await using var backend = await StartAsync(other, (job, outbound) => outbound.PostAsync("paiments", "/charges", job));
        await EnqueueAsync(backend, "a");
        await Source.ShouldBecomeAsync("select count(*) from (select errors from mainstay.jobs union all select errors from mainstay.jobs_dead) failed where errors -> 0 ->> 'error' like '%MST3002%Did you mean ''payments''%'", 1L);

        (await TestBackend.RefuseAsync(ConnectionString, declared => declared.Dependency("payments", "not an address"))).ShouldContain("MST3001");
        (await TestBackend.RefuseAsync(ConnectionString, declared => declared.Dependency("payments", "https://payments.example.com"), "--Mainstay:Dependencies:payments:Address=ftp://there")).ShouldContain("MST3001");
    }

    protected override Task PrepareAsync() => Source.ExecuteAsync("create table effects (text text not null)");

    private Task<PlainApplication> PlayAsync() => PlainApplication.StartAsync(ConnectionString, static _ => { }, app => app.MapPost("/v1/charges", (HttpContext context, Charging charging) =>
    {
        _keys.Enqueue(context.Request.Headers["Idempotency-Key"].ToString());
        return Results.Json(new { id = $"ch_{charging.Order}", amount = 12.5m, note = "passed over" }, statusCode: Interlocked.Decrement(ref _failures) >= 0 ? 500 : _status);
    }));

    private Task<TestBackend> StartAsync(PlainApplication other, Func<Charging, Outbound, Task> first, TaskCompletionSource<DependencyException>? seen = null) => TestBackend.StartAsync(ConnectionString, backend =>
    {
        backend.Dependency("payments", "http://nowhere.invalid").Timeout(TimeSpan.FromSeconds(5));
        backend.Job<Charging>("charge", async (Charging job, Outbound outbound) =>
        {
            await first(job, outbound);
            try
            {
                var charge = await outbound.PostAsync<Charge>("payments", "/v1/charges", job);
                await outbound.CommitAsync("record", work => work.ExecuteAsync($"insert into effects values ({$"{charge.Id} {charge.Amount}"})"));
            }
            catch (DependencyException e) when (seen?.TrySetResult(e) == true)
            {
            }
        }).Retry(20, TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(20));
    }, $"--Mainstay:Dependencies:payments:Address={other.Client.BaseAddress}");

    private static Task<Guid> EnqueueAsync(TestBackend backend, string order) => backend.Running.App.Services.GetRequiredService<Jobs>().EnqueueAsync(new Charging(order), cancellation: Stop);

    private sealed record Charging(string Order);

    private sealed record Charge(string Id, decimal Amount);
}
