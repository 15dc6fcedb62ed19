using System.Text.Json;

namespace Mainstay.Tests;

public sealed class ListTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    private static IEnumerable<string> Ids(IEnumerable<JsonElement> rows) => rows.Select(row => row.GetProperty("id").GetString()!);

    [Theory]
    [InlineData("id")]
    [InlineData("-id")]
    [InlineData("price")]
    [InlineData("-price")]
    [InlineData("category")]
    [InlineData("-name")]
    public async Task Pages_walk_every_row_once_in_order_also_over_ties(string sort)
    {
        var note = "walk " + sort;
        for (var i = 0; i < 23; i++)
            await shop.ProductAsync(("note", note), ("price", i % 3), ("name", "tie"), ("category", i % 2 == 0 ? "a" : "b"));

        var rows = await shop.Anyone.WalkAsync($"/v1/products?note={Uri.EscapeDataString(note)}&sort={sort}&pageSize=4");

        Ids(rows).Distinct().Count().ShouldBe(23);
        rows.Count.ShouldBe(23);
        string Key(JsonElement row) => sort.TrimStart('-') switch { "price" => row.GetProperty("price").GetDecimal().ToString("00"), "category" => row.GetProperty("category").GetString()!, _ => "" } + row.GetProperty("id").GetString();
        var sorted = rows.OrderBy(Key, StringComparer.Ordinal).Select(Key).ToList();
        if (sort.StartsWith('-'))
            sorted.Reverse();
        rows.Select(Key).ShouldBe(sorted);
    }

    [Fact]
    public async Task Pages_skip_and_repeat_nothing_while_rows_come_and_go()
    {
        var stay = new HashSet<string>();
        var leave = new Queue<string>();
        for (var i = 0; i < 20; i++)
        {
            stay.Add(await shop.ProductAsync(("note", "moving"), ("price", i / 4)));
            leave.Enqueue(await shop.ProductAsync(("note", "moving"), ("price", i / 4)));
        }

        var seen = Ids(await shop.Anyone.WalkAsync("/v1/products?note=moving&sort=-price&pageSize=3", async () =>
        {
            await shop.ProductAsync(("note", "moving"), ("price", 2));
            if (leave.TryDequeue(out var id))
                (await shop.Staff.DeleteAsync("/v1/products/" + id)).Expect(204);
        })).ToList();

        seen.ShouldBeUnique();
        stay.ShouldBeSubsetOf(seen);
    }

    [Theory]
    [InlineData("text")]
    [InlineData("small")]
    [InlineData("number")]
    [InlineData("big")]
    [InlineData("amount")]
    [InlineData("ratio")]
    [InlineData("share")]
    [InlineData("token")]
    [InlineData("state")]
    [InlineData("at")]
    [InlineData("day")]
    [InlineData("time")]
    [InlineData("length")]
    public async Task Every_sortable_type_can_be_walked_row_by_row(string member)
    {
        await SpreadAsync();
        foreach (var sort in new[] { member, "-" + member })
        {
            var rows = await shop.Anyone.WalkAsync($"/v1/everything?maybeText=spread&sort={sort}&pageSize=1");

            Ids(rows).ShouldBeUnique();
            rows.Count.ShouldBe(5, sort);
        }
    }

    private static readonly SemaphoreSlim spreading = new(1);

    private async Task SpreadAsync()
    {
        await spreading.WaitAsync();
        try
        {
            if (await shop.Backend.ScalarAsync<long>("select count(*) from everything where maybe_text = 'spread'") > 0)
                return;
            (object, object)[] values = [(short.MinValue, "-P3DT0.000001S"), (short.MaxValue, "P9DT1S"), (-1, "PT0S"), (0, "PT0.000001S"), (1, "P1DT12H")];
            var number = 0;
            foreach (var (small, length) in values)
                (await shop.Anyone.PostAsync("/v1/everything", Shop.Everything(("maybeText", "spread"), ("text", number % 2 == 0 ? "Ä, 'x' %_\\" : "b"), ("small", small), ("number", small), ("big", small), ("amount", 1.1m * number), ("ratio", 0.1 * number),
                    ("share", 0.1f * number), ("token", $"0189000{number}-ac96-774b-bcce-b302099a8057"), ("state", number % 2 == 0 ? "placed" : "inDelivery"), ("at", $"2026-01-0{++number}T00:00:00.00000{number}Z"), ("day", $"2026-01-0{number}"),
                    ("time", $"0{number}:00:00.000001"), ("length", length), ("maybeNumber", number == 1 ? null : number), ("flag", number == 3)))).Expect(201);
        }
        finally
        {
            spreading.Release();
        }
    }

    [Theory]
    [InlineData("text=%C3%84,%20'x'%20%25_%5C", 3)]
    [InlineData("text.in=b,zzz", 2)]
    [InlineData("flag=true", 1)]
    [InlineData("flag=false", 4)]
    [InlineData("small=-1", 1)]
    [InlineData("small.in=-1,0,1", 3)]
    [InlineData("number.gt=0", 2)]
    [InlineData("big.lte=0", 3)]
    [InlineData("amount=2.2", 1)]
    [InlineData("amount.gte=2.20&amount.lt=4.4", 2)]
    [InlineData("ratio.lt=0.15", 2)]
    [InlineData("share.gt=0.25", 2)]
    [InlineData("token=01890002-ac96-774b-bcce-b302099a8057", 1)]
    [InlineData("token.in=01890002-ac96-774b-bcce-b302099a8057,01890003-ac96-774b-bcce-b302099a8057", 2)]
    [InlineData("state=inDelivery", 2)]
    [InlineData("state.in=inDelivery,placed", 5)]
    [InlineData("at.gt=2026-01-02T00:00:00.000002Z", 3)]
    [InlineData("at.gte=2026-01-02T01:00:00.000002%2B01:00", 4)]
    [InlineData("day.lt=2026-01-03", 2)]
    [InlineData("time.gt=03:00:00", 3)]
    [InlineData("length.gt=P1D", 2)]
    [InlineData("length.lt=PT0S", 1)]
    [InlineData("maybeNumber.null=true", 1)]
    [InlineData("maybeNumber.null=false", 4)]
    [InlineData("maybeNumber.gt=2", 3)]
    [InlineData("productId.null=true", 5)]
    [InlineData("productId=product_01h455vb4pex5vsknk084sn02q", 0)]
    [InlineData("maybeState.null=true&state=placed&small.lt=0", 2)]
    public async Task Filters_are_typed(string filter, int count)
    {
        await SpreadAsync();

        (await shop.Anyone.WalkAsync($"/v1/everything?maybeText=spread&{filter}&pageSize=2")).Count.ShouldBe(count);
    }

    [Theory]
    [InlineData("small=40000", "small type")]
    [InlineData("number=1.0", "number type")]
    [InlineData("number=", "number type")]
    [InlineData("number=1e3", "number type")]
    [InlineData("number=%201", "number type")]
    [InlineData("number=0x10", "number type")]
    [InlineData("big=9223372036854775808", "big type")]
    [InlineData("amount=1,5", "amount type")]
    [InlineData("ratio=NaN", "ratio type")]
    [InlineData("ratio=Infinity", "ratio type")]
    [InlineData("ratio=1e999", "ratio type")]
    [InlineData("share=1e39", "share type")]
    [InlineData("flag=1", "flag type")]
    [InlineData("flag=True", "flag type")]
    [InlineData("flag.gt=true", "flag.gt unknown")]
    [InlineData("flag.in=true", "flag.in unknown")]
    [InlineData("token=01890A5D-AC96-774B-BCCE-B302099A8057", "token type")]
    [InlineData("token=%7B01890a5d-ac96-774b-bcce-b302099a8057%7D", "token type")]
    [InlineData("state=Placed", "state type")]
    [InlineData("state=0", "state type")]
    [InlineData("state.gt=placed", "state.gt unknown")]
    [InlineData("at=2026-01-01", "at type")]
    [InlineData("at=2026-01-01T00:00:00", "at type")]
    [InlineData("at=2026-01-01T00:00:00+01:00", "at type")]
    [InlineData("at=0001-01-01T00:00:00%2B01:00", "at type")]
    [InlineData("at=10000-01-01T00:00:00Z", "at type")]
    [InlineData("day=2026-02-30", "day type")]
    [InlineData("time=24:00:00", "time type")]
    [InlineData("length=90", "length type")]
    [InlineData("length=P99999999999D", "length type")]
    [InlineData("productId=order_01h455vb4pex5vsknk084sn02q", "productId type")]
    [InlineData("maybeNumber.null=yes", "maybeNumber.null type")]
    [InlineData("number.null=true", "number.null unknown")]
    [InlineData("number.eq=1", "number.eq unknown")]
    [InlineData("text.gte=b", "text.gte unknown")]
    [InlineData("number.GT=1", "number.GT unknown")]
    [InlineData("Number=1", "Number unknown")]
    [InlineData("bytes=AAEC", "bytes unknown")]
    [InlineData("row_version=1", "row_version unknown")]
    [InlineData("text=a&text=b", "text duplicate")]
    [InlineData("te%78t=a&text=b", "text duplicate")]
    [InlineData("text=%00", "text text")]
    [InlineData("text=%ff", "text text")]
    [InlineData("text=%ED%A0%80", "text text")]
    [InlineData("text=%zz", "text text")]
    [InlineData("text=%a", "text text")]
    [InlineData("pageSize=0", "pageSize range")]
    [InlineData("pageSize=101", "pageSize range")]
    [InlineData("pageSize=-1", "pageSize range")]
    [InlineData("pageSize=99999999999999999999", "pageSize range")]
    [InlineData("pageSize=ten", "pageSize range")]
    [InlineData("pageSize=", "pageSize range")]
    [InlineData("sort=bytes", "sort unknown")]
    [InlineData("sort=--number", "sort unknown")]
    [InlineData("sort=", "sort unknown")]
    [InlineData("sort=number,text", "sort unknown")]
    [InlineData("offset=5", "offset unknown")]
    public async Task A_parameter_that_is_wrong_is_named(string query, string fault) =>
        (await shop.Anyone.GetAsync("/v1/everything?" + query)).Expect(400, "invalid-parameter").Faults.ShouldBe([fault]);

    [Fact]
    public async Task All_wrong_parameters_are_named_together_with_what_was_probably_meant()
    {
        var reply = (await shop.Anyone.GetAsync("/v1/products?categori=tea&price.gtee=5&stock=1&pageSize=0")).Expect(400, "invalid-parameter");

        reply.Faults.ShouldBe(["categori unknown", "price.gtee unknown", "stock unknown", "pageSize range"]);
        reply.Text.ShouldContain("Did you mean 'category'?");
        reply.Text.ShouldContain("Did you mean 'price.gte'?");
        reply.Text.ShouldContain("The member exists, but lists cannot be filtered by it.");
    }

    [Fact]
    public async Task Too_many_parameters_and_too_many_values_are_refused()
    {
        (await shop.Anyone.GetAsync("/v1/everything?" + string.Join('&', Enumerable.Range(0, 60).Select(i => $"p{i}=1")))).Expect(400, "invalid-parameter");
        (await shop.Anyone.GetAsync("/v1/everything?number.in=" + string.Join(',', Enumerable.Range(0, 51)))).Expect(400).Faults.ShouldBe(["number.in maxItems"]);
        (await shop.Anyone.GetAsync("/v1/everything?number.in=" + string.Join(',', Enumerable.Range(0, 50)))).Expect(200);
    }

    [Fact]
    public async Task A_page_has_twenty_rows_unless_asked_otherwise_and_says_where_it_goes_on()
    {
        for (var i = 0; i < 21; i++)
            await shop.ProductAsync(("note", "default size"));

        var page = (await shop.Anyone.GetAsync("/v1/products?note=default+size")).Expect(200);

        page.Data.GetArrayLength().ShouldBe(20);
        page.Meta.GetProperty("pageSize").GetInt32().ShouldBe(20);
        var link = page.Header("Link")!;
        link.ShouldEndWith(">; rel=\"next\"");
        var next = (await shop.Anyone.GetAsync(link[1..link.IndexOf('>', StringComparison.Ordinal)])).Expect(200);
        next.Data.GetArrayLength().ShouldBe(1);
        next.Meta.GetProperty("nextCursor").ValueKind.ShouldBe(JsonValueKind.Null);
        next.Header("Link").ShouldBeNull();
    }

    [Fact]
    public async Task A_cursor_goes_on_behind_long_texts_too()
    {
        for (var i = 0; i < 3; i++)
            (await shop.Anyone.PostAsync("/v1/everything", Shop.Everything(("maybeText", "long"), ("text", new string('€', 999) + i)))).Expect(201);

        (await shop.Anyone.WalkAsync("/v1/everything?maybeText=long&sort=text&pageSize=1")).Count.ShouldBe(3);
    }

    [Fact]
    public async Task A_text_too_long_for_its_index_is_a_fault_of_the_request_or_fits()
    {
        var random = new Random(7);
        var text = string.Concat(Enumerable.Range(0, 1000).Select(_ => char.ConvertFromUtf32(random.Next(0x10000, 0x10FFFF))));

        var reply = await shop.Anyone.PostAsync("/v1/everything", Shop.Everything(("text", text)));

        reply.Status.ShouldBeOneOf(201, 400);
    }

    [Fact]
    public async Task A_cursor_serves_only_the_question_the_caller_and_the_server_it_came_from()
    {
        for (var i = 0; i < 3; i++)
            await shop.OrderAsync(shop.Ann, "ann");
        for (var i = 0; i < 3; i++)
            await shop.OrderAsync(shop.Bob, "bob");
        async Task<string> CursorAsync(Caller caller, string path) => (await caller.GetAsync(path)).Expect(200).Meta.GetProperty("nextCursor").GetString()!;
        var cursor = await CursorAsync(shop.Ann, "/v1/orders?pageSize=1&status=placed");
        async Task RefusedAsync(Caller caller, string path) => (await caller.GetAsync(path)).Expect(400, "invalid-cursor");

        (await shop.Ann.GetAsync($"/v1/orders?pageSize=2&status=placed&cursor={cursor}")).Expect(200);
        await RefusedAsync(shop.Bob, $"/v1/orders?pageSize=1&status=placed&cursor={cursor}");
        await RefusedAsync(shop.User("ann", "staff"), $"/v1/orders?pageSize=1&status=placed&cursor={cursor}");
        await RefusedAsync(shop.Ann, $"/v1/orders?pageSize=1&cursor={cursor}");
        await RefusedAsync(shop.Ann, $"/v1/orders?pageSize=1&status=cancelled&cursor={cursor}");
        await RefusedAsync(shop.Ann, $"/v1/orders?pageSize=1&status.in=placed&cursor={cursor}");
        await RefusedAsync(shop.Ann, $"/v1/orders?pageSize=1&status=placed&sort=-id&cursor={cursor}");
        await RefusedAsync(shop.Ann, $"/v1/orders?pageSize=1&status=placed&sort=placedAt&cursor={cursor}");
        await RefusedAsync(shop.Ann, $"/v1/lines?cursor={cursor}");
        await RefusedAsync(shop.Ann, $"/v1/orders?status=placed&cursor={(cursor[0] == 'A' ? 'B' : 'A')}{cursor[1..]}");
        await RefusedAsync(shop.Ann, $"/v1/orders?status=placed&cursor={cursor[..^1]}");
        await RefusedAsync(shop.Ann, $"/v1/orders?status=placed&cursor={cursor}A");
        await RefusedAsync(shop.Ann, "/v1/orders?status=placed&cursor=");
        await RefusedAsync(shop.Ann, "/v1/orders?status=placed&cursor=%F0%9F%98%80");
        await RefusedAsync(shop.Ann, "/v1/orders?status=placed&cursor=" + new string('A', 5000));
        var order = await shop.OrderAsync(shop.Ann, "ann");
        var other = await shop.OrderAsync(shop.Ann, "ann");
        foreach (var number in new[] { 1, 2 })
            (await shop.Ann.PostAsync($"/v1/orders/{order}/lines", new { ownerId = "ann", text = "x", number })).Expect(201);
        await RefusedAsync(shop.Ann, $"/v1/orders/{other}/lines?cursor={await CursorAsync(shop.Ann, $"/v1/orders/{order}/lines?pageSize=1")}");
    }

    [Fact]
    public async Task A_row_and_what_is_shown_beside_it_are_of_one_instant()
    {
        using var stop = new CancellationTokenSource();
        var writer = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
                await shop.OrderAsync(shop.Ann, "ann", await shop.ProductAsync());
        }, TestContext.Current.CancellationToken);

        for (var i = 0; i < 150; i++)
            foreach (var order in (await shop.Ann.GetAsync("/v1/orders?include=product&sort=-id&pageSize=5")).Expect(200).Data.EnumerateArray())
                order.GetProperty("product").ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Object);

        await stop.CancelAsync();
        await writer;
    }
}
