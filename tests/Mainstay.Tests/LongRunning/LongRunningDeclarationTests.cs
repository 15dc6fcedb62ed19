namespace Mainstay.Tests;

public sealed class LongRunningDeclarationTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Mistakes_of_declarations_are_reported_together()
    {
        var message = await TestBackend.RefuseAsync(await postgres.CreateDatabaseAsync(), backend =>
        {
            backend.Query("GET /v1/slow", (Snapshot snapshot) => 1).Allow(Policy.SignedIn).LongRunning();
            backend.Command("POST /v1/never", (UnitOfWork work) => 1).Allow(Policy.SignedIn).LongRunning(TimeSpan.Zero);
            backend.Command("POST /v1/for-ever", (UnitOfWork work) => 1).Allow(Policy.SignedIn).LongRunning(TimeSpan.FromHours(2));
            backend.Command("POST /v1/strangers", (UnitOfWork work) => 1).Allow(Policy.Anyone).LongRunning();
        });

        foreach (var part in new[] { "'GET /v1/slow'", "'POST /v1/never'", "'POST /v1/for-ever'", "'POST /v1/strangers'" })
            message.ShouldContain(part);
        message.Split("MST2401").Length.ShouldBe(5);
    }

    [Fact]
    public async Task An_address_of_the_application_that_operations_need_is_refused()
    {
        var message = await TestBackend.RefuseAsync(await postgres.CreateDatabaseAsync(), backend =>
        {
            backend.Command("POST /v1/slow", (UnitOfWork work) => 1).Allow(Policy.SignedIn).LongRunning();
            backend.Query("GET /operations/{number}", (Numbered input, Snapshot snapshot) => input.Number).Allow(Policy.SignedIn);
        });

        message.ShouldContain("MST1007");
    }

    [Fact]
    public async Task Settings_out_of_range_are_reported_together()
    {
        var message = await TestBackend.RefuseAsync(await postgres.CreateDatabaseAsync(), backend => backend.Command("POST /v1/slow", (UnitOfWork work) => 1).Allow(Policy.SignedIn).LongRunning(),
            "--Mainstay:LongRunning:Workers=many", "--Mainstay:LongRunning:Retention=01:00:00", "--Mainstay:LongRunning:Lease=00:00:00", "--Mainstay:LongRunning:PollInterval=-1");

        foreach (var name in new[] { "Workers", "Retention", "Lease", "PollInterval" })
            message.ShouldContain($"Mainstay:LongRunning:{name}");
        message.ShouldContain("MST2402");
    }

    [Fact]
    public async Task Without_a_long_running_command_there_are_no_operations()
    {
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), declared => declared.Command("POST /v1/quick", (UnitOfWork work) => 1).Allow(Policy.Anyone));

        (await backend.Anonymous.GetAsync("/operations/op_01h455vb4pex5vsknk084sn02q")).Expect(404);
        (await backend.Anonymous.GetAsync("/openapi.json")).Text.ShouldNotContain("/operations");
    }

    [Fact]
    public async Task Operations_of_a_command_that_is_gone_are_reported_at_the_start_and_can_be_cancelled()
    {
        var database = await postgres.CreateDatabaseAsync();
        string location;
        await using (var before = await TestBackend.StartAsync(database, Reports.Declare(new ReportDesk()), "--Mainstay:LongRunning:Workers=0"))
            location = await before.User("ann", "staff").BuildAsync("left behind");

        await using var after = await TestBackend.StartAsync(database, declared =>
        {
            TestSignIn.AddTo(declared);
            Reports.DeclareTable(declared);
            declared.Command("POST /v1/other", (UnitOfWork work) => 1).Allow(Policy.SignedIn).LongRunning();
        });

        await Waiting.UntilAsync(() => Task.FromResult(after.Logs.Lines.Any(line => line.Text.Contains("MST2203: 1 operations wait for 'POST /v1/reports'", StringComparison.Ordinal))));
        (await after.User("ann").PostAsync(location + "/cancel", null)).Expect(200).Status().ShouldBe("cancelled");
    }

    public record Numbered(int Number);
}
