using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>Sagas over HTTP, for operators.</summary>
public sealed class SagaHttpTests(PostgresFixture postgres)
{
    [Fact]
    public async Task An_operator_sees_which_attempt_a_step_is_at_and_why_the_last_one_failed_and_skips_it()
    {
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), declared =>
        {
            TestSignIn.AddTo(declared);
            declared.AllowOperators(Policy.Role("operator"));
            declared.Job<Begin>("begin", (Begin begin, UnitOfWork work) => work.Enqueue(new Order(begin.Name)));
            declared.Saga<Order>("ship order")
                .Step("charge", (Order order, Outbound outbound) => Task.FromException(new IOException($"No answer about {order.Name}.")), options: step => step.On<IOException>(RetryRule.After(TimeSpan.FromHours(1))));
        }, "--Mainstay:Queues:PollInterval", "00:00:00.1");
        var ann = backend.User("ann", "operator");
        await backend.ExecuteAsync("select mainstay.enqueue('begin', '{\"name\":\"tea\"}')");
        await backend.UntilAsync("select exists (select from mainstay.jobs where handler = 'ship order: charge' and state = 2)");

        var listed = (await ann.GetAsync("/internal/sagas?status=running")).Expect(200).Data[0];
        var id = listed.GetProperty("id").GetString();
        var next = (await ann.GetAsync($"/internal/sagas/{id}")).Expect(200).Data.GetProperty("next")[0];
        var skipped = (await ann.PostAsync($"/internal/sagas/{id}/skip", new { item = "charge", why = "paid in cash" })).Expect(200).Data;

        next.GetProperty("item").GetString().ShouldBe("charge");
        next.GetProperty("handler").GetString().ShouldBe("ship order: charge");
        next.GetProperty("attempts").GetInt32().ShouldBe(1);
        next.GetProperty("dueAt").GetString().ShouldNotBeNull();
        next.GetProperty("lastError").GetProperty("error").GetString().ShouldBe("IOException: No answer about tea.");
        skipped.GetProperty("status").GetString().ShouldBe("completed");
        skipped.GetProperty("next").GetArrayLength().ShouldBe(0);
        (await backend.User("bob", "customer").GetAsync($"/internal/sagas/{id}")).Expect(403, "forbidden");
    }

    private sealed record Begin(string Name);

    private sealed record Order(string Name);
}
