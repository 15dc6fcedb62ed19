using System.ComponentModel.DataAnnotations;

namespace Mainstay.Tests;

public record Jar(Id<Jar> Id, [MaxLength(60)] string Name);

public record FillJar([MaxLength(60)] string Name);

/// <summary>How long the statements of a commit may take when the connection itself had to be waited for.</summary>
public sealed class CommitLimitTests(PostgresFixture postgres)
{
    private static readonly TimeSpan timeout = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task The_wait_for_a_connection_is_taken_off_the_time_that_statements_have()
    {
        var rendered = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        var clock = TimeProvider.System;
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync() + ";Maximum Pool Size=1;Timeout=60", jars =>
        {
            TestSignIn.AddTo(jars);
            jars.Resource<Jar>("/v1/jars").AllowRead(Policy.Anyone);
            jars.Command("POST /v1/jars/fill", (FillJar input, UnitOfWork work) =>
            {
                work.Insert(new Jar(Id<Jar>.New(), input.Name));
                rendered.SetResult(clock.GetTimestamp());
            }).Allow(Policy.SignedIn).Timeout(timeout);
        });
        // The row itself tells the limit under which it was inserted.
        await backend.ExecuteAsync("""
            create function seen_limit() returns integer language sql as $$ select setting::integer from pg_settings where name = 'statement_timeout' $$;
            alter table jars add column seen_limit integer default seen_limit();
            """);

        Task<Reply> filled;
        TimeSpan waited;
        await using (await backend.Running.Services.Database.OpenAsync(Mainstay.Internal.Deadline.Never, TestContext.Current.CancellationToken))
        {
            filled = backend.User("ann").PostAsync("/v1/jars/fill", new { name = "plum" }, "Idempotency-Key: plum");
            var began = await rendered.Task;
            await Waiting.UntilAsync(() => Task.FromResult(clock.GetElapsedTime(began) > TimeSpan.FromMilliseconds(500)));
            waited = clock.GetElapsedTime(began);
        }
        (await filled).Expect(204);

        var limit = await backend.ScalarAsync<int>("select seen_limit from jars");
        limit.ShouldBeGreaterThan(0);
        limit.ShouldBeLessThanOrEqualTo((int)Math.Ceiling((timeout - waited).TotalMilliseconds));
    }
}
