namespace Mainstay.Tests;

public sealed class DeclarationTests(PostgresFixture postgres)
{
    public record Plain(Id<Plain> Id, string Name, string? Note, bool Flag, byte[] Bytes);

    public record Catalogued(Id<Catalogued> Id, string Search, int Count, string Sort, OrderStatus State, [System.ComponentModel.DataAnnotations.MaxLength(2000)] string Long, [System.ComponentModel.DataAnnotations.MaxLength(200_000)] string Huge);

    public record NoId(string Name);

    public record WithList(Id<WithList> Id, IReadOnlyList<string> Names);

    public record WithVersion(Id<WithVersion> Id, long RowVersion);

    public record Area51(Id<Area51> Id);

    public record Stranger(Id<Stranger> Id);

    public record Child(Id<Child> Id, Id<Plain> PlainId);

    public record Named(string Name);

    public record Happened(string What);

    private Task<string> RefuseAsync(Action<Backend> declare) => TestBackend.RefuseAsync("Host=nowhere.invalid", declare);

    [Fact]
    public async Task Everything_that_nobody_may_reach_is_named_at_once()
    {
        var message = await RefuseAsync(backend =>
        {
            backend.Resource<Plain>("/v1/plains");
            backend.Command("POST /v1/one", (UnitOfWork work) => { });
            backend.Query("GET /v1/two", (Snapshot snapshot) => 1);
        });

        message.Split('\n').Length.ShouldBe(3);
        message.ShouldContain("MST1005: Resource /v1/plains is reachable by nobody.");
        message.ShouldContain("MST1005: 'POST /v1/one' is reachable by nobody.");
        message.ShouldContain("MST1005: 'GET /v1/two' is reachable by nobody.");
    }

    [Fact]
    public async Task Mistakes_of_all_kinds_are_reported_together()
    {
        var message = await RefuseAsync(backend =>
        {
            backend.Problem("Not Kebab", 409, "x");
            backend.Problem("fine", 500, "x");
            backend.Problem("not-found", 404, "x");
            backend.Event<Happened>("happened");
            backend.Event<Happened>("happened.again");
            backend.On("twice", (Happened happened, UnitOfWork work) => { });
            backend.On("twice", (Happened happened, UnitOfWork work) => { });
            backend.On("unknown event", (Named named, UnitOfWork work) => { });
            backend.On("no work", (Happened happened) => { });
            backend.Seed("seed", work => Task.CompletedTask).Seed("seed", work => Task.CompletedTask);
            backend.Resource<Child>("/v1/children").BelongsTo(child => child.PlainId).AllowRead(Policy.Anyone);
            backend.Resource<Stranger>("/v1/versions").AllowRead(Policy.For<Plain>((plain, user) => plain.Name == user.Id));
            backend.Command("POST /v1/row", (UnitOfWork work) => { }).Allow(Policy.For<Plain>((plain, user) => plain.Name == user.Id));
            backend.Command("POST /v1/forever", (UnitOfWork work) => { }).Allow(Policy.Anyone).Timeout(TimeSpan.FromHours(1));
            backend.Command("POST /v1/reads", (Named named) => named).Allow(Policy.Anyone);
            backend.Query("GET /v1/writes", (UnitOfWork work) => 1).Allow(Policy.Anyone);
        });

        foreach (var code in new[] { "MST1002", "MST1004", "MST1006", "MST1008", "MST1308", "MST1405", "MST2101", "MST2102" })
            message.ShouldContain(code + ":");
        message.Split('\n').Length.ShouldBe(14, message);
    }

    [Fact]
    public async Task Routes_that_meet_are_refused()
    {
        (await RefuseAsync(backend =>
        {
            backend.Resource<Plain>("/v1/plains").AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone);
            backend.Command("POST /v1/plains", (Named named, UnitOfWork work) => { }).Allow(Policy.Anyone);
        })).ShouldStartWith("MST1007: 'POST /v1/plains' is declared 2 times.");
        (await RefuseAsync(backend =>
        {
            backend.Resource<Plain>("/v1/plains").AllowRead(Policy.Anyone);
            backend.Resource<Child>("/v2/plains").AllowRead(Policy.Anyone);
        })).ShouldStartWith("MST1406");
        (await RefuseAsync(backend =>
        {
            backend.Resource<Plain>("/v1/plains").AllowRead(Policy.Anyone);
            backend.Resource<Plain>("/v1/others").AllowRead(Policy.Anyone);
        })).ShouldContain("MST1406");
    }

    [Fact]
    public async Task Routes_that_differ_only_in_the_names_of_their_parameters_are_refused()
    {
        (await RefuseAsync(backend =>
        {
            backend.Resource<Plain>("/v1/plains").AllowRead(Policy.Anyone);
            backend.Query("GET /v1/plains/{name}", (Named named) => named).Allow(Policy.Anyone);
        })).ShouldStartWith("MST1007");
    }

    [Fact]
    public async Task A_route_parameter_without_a_member_is_refused()
    {
        (await RefuseAsync(backend => backend.Command("POST /v1/x/{nmae}", (Named named, UnitOfWork work) => { }).Allow(Policy.Anyone))).ShouldBe(
            "MST1002: 'POST /v1/x/{nmae}' has the route parameter 'nmae', but Named has no single-valued member of that name. Did you mean 'name'?");
        (await RefuseAsync(backend => backend.Command("POST /v1/x/{id}", (UnitOfWork work) => { }).Allow(Policy.Anyone))).ShouldStartWith("MST1002");
        (await RefuseAsync(backend => backend.Query("GET /v1/x", (Form form) => form).Allow(Policy.Anyone))).ShouldStartWith("MST1002");
    }

    [Theory]
    [InlineData("/v1/Plains", "MST1001")]
    [InlineData("v1/plains", "MST1001")]
    [InlineData("/v1/plains/", "MST1001")]
    [InlineData("/v1/{id}", "MST1001")]
    [InlineData("/v1/pla ins", "MST1001")]
    public async Task A_path_has_one_spelling(string path, string code) =>
        (await RefuseAsync(backend => backend.Resource<Plain>(path).AllowRead(Policy.Anyone))).ShouldStartWith(code);

    [Fact]
    public async Task A_route_has_one_spelling_and_a_method_that_fits() =>
        (await RefuseAsync(backend =>
        {
            backend.Command("GET /v1/x", (UnitOfWork work) => { }).Allow(Policy.Anyone);
            backend.Query("DELETE /v1/x", () => 1).Allow(Policy.Anyone);
            backend.Command("post /v1/x", (UnitOfWork work) => { }).Allow(Policy.Anyone);
            backend.Command("POST /v1/x/", (UnitOfWork work) => { }).Allow(Policy.Anyone);
        })).Split('\n').Count(line => line.StartsWith("MST1001", StringComparison.Ordinal)).ShouldBe(4);

    [Fact]
    public async Task A_record_that_can_not_be_a_table_and_members_that_are_no_columns_are_refused()
    {
        async Task RefusedAsync(string code, Action<Backend> declare) => (await RefuseAsync(declare)).ShouldStartWith(code);

        await RefusedAsync("MST1401", backend => backend.Resource<NoId>("/v1/a"));
        await RefusedAsync("MST1401", backend => backend.Resource<WithList>("/v1/b"));
        await RefusedAsync("MST1401", backend => backend.Resource<WithVersion>("/v1/c"));
        await RefusedAsync("MST1201", backend => backend.Resource<Area51>("/v1/area"));
        await RefusedAsync("MST1401", backend => backend.Resource<string>("/v1/d"));
        await RefusedAsync("MST1402", backend => backend.Resource<Plain>("/v1/e").Unique(plain => plain.Name + "x"));
        await RefusedAsync("MST1404", backend => backend.Resource<Plain>("/v1/f").Sortable(plain => plain.Bytes));
        await RefusedAsync("MST1404", backend => backend.Resource<Catalogued>("/v1/noted").Sortable(row => row.Long));
        await RefusedAsync("MST1407", backend => backend.Resource<Catalogued>("/v1/noted").Searchable(row => row.Count));
        await RefusedAsync("MST1407", backend => backend.Resource<Catalogued>("/v1/noted").Searchable(row => row.State));
        await RefusedAsync("MST1407", backend => backend.Resource<Catalogued>("/v1/noted").Searchable());
        await RefusedAsync("MST1407", backend => backend.Resource<Catalogued>("/v1/noted").Searchable(row => row.Search, row => row.Search));
        await RefusedAsync("MST1407", backend => backend.Resource<Catalogued>("/v1/noted").Searchable(row => row.Search).Searchable(row => row.Long));
        await RefusedAsync("MST1407", backend => backend.Resource<Catalogued>("/v1/noted").Searchable(row => row.Huge));
        await RefusedAsync("MST1407", backend => backend.Resource<Catalogued>("/v1/noted").Searchable((SearchLanguage)99, row => row.Search));
        await RefusedAsync("MST1408", backend => backend.Resource<Catalogued>("/v1/noted").Filterable(row => row.Count).AllowRead(Policy.Anyone).Counts());
        await RefusedAsync("MST1408", backend => backend.Resource<Catalogued>("/v1/noted").Filterable(row => row.Search).Searchable(row => row.Search).AllowRead(Policy.Anyone));
        await RefusedAsync("MST1408", backend => backend.Resource<Catalogued>("/v1/noted").Filterable(row => row.Sort).AllowRead(Policy.Anyone));
        await RefusedAsync("MST1404", backend => backend.Resource<Plain>("/v1/h").Filterable(plain => plain.Bytes));
        await RefusedAsync("MST1404", backend => backend.Resource<Child>("/v1/i").BelongsTo(child => child.PlainId, included: 21));
        await RefusedAsync("MST1002", backend => backend.Command("POST /v1/x", (Named one, Form two, UnitOfWork work) => { }));
        await RefusedAsync("MST1002", backend => backend.Command("POST /v1/x", (UnitOfWork work, Snapshot snapshot) => { }));
        await RefusedAsync("MST1002", backend => backend.Command("POST /v1/x", async ValueTask (UnitOfWork work) => await Task.CompletedTask));
    }

    [Fact]
    public async Task An_unknown_schema_mode_and_a_taken_address_are_mistakes_too()
    {
        var database = await postgres.CreateDatabaseAsync();
        static void Declare(Backend backend) => backend.Resource<Plain>("/v1/plains").AllowRead(Policy.Anyone);

        (await TestBackend.RefuseAsync(database, Declare, "--Mainstay:Schema=sometimes")).ShouldStartWith("MST1011");
        await using var backend = await TestBackend.StartAsync(database, Declare);
        (await TestBackend.RefuseAsync(database, Declare, "--urls", backend.Running.Address)).ShouldStartWith("MST1010");
    }
}
