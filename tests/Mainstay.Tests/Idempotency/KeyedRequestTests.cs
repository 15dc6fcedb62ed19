using System.Text.Json;

namespace Mainstay.Tests;

public sealed class KeyedRequestTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    private static int _number;

    private static string Key() => $"Idempotency-Key: \"key-{Interlocked.Increment(ref _number)}\"";

    private static void ShouldReplay(Reply replay, Reply original)
    {
        replay.Header("Idempotency-Replayed").ShouldBe("true", replay.ToString());
        original.Header("Idempotency-Replayed").ShouldBeNull();
        replay.Status.ShouldBe(original.Status);
        replay.Text.ShouldBe(original.Text);
        foreach (var name in new[] { "Content-Type", "Location", "ETag", "Cache-Control" })
            replay.Header(name).ShouldBe(original.Header(name), name);
        replay.Header("Request-Id").ShouldNotBe(original.Header("Request-Id"));
    }

    [Fact]
    public async Task A_repeated_request_is_answered_with_the_first_answer()
    {
        var (key, product) = (Key(), Shop.Product());
        var rows = await shop.Backend.CountAsync("products");

        var original = (await shop.Staff.PostAsync("/v1/products", product, key)).Expect(201);

        ShouldReplay(await shop.Staff.PostAsync("/v1/products", product, key), original);
        ShouldReplay(await shop.Staff.PostAsync("/v1/products", product, key.Replace("\"", "", StringComparison.Ordinal)), original);
        (await shop.Backend.CountAsync("products")).ShouldBe(rows + 1);
    }

    [Fact]
    public async Task Another_request_under_a_used_key_is_refused_and_the_first_still_replays()
    {
        var (key, product) = (Key(), Shop.Product());
        var original = (await shop.Staff.PostAsync("/v1/products", product, key)).Expect(201);
        var rows = await shop.Backend.CountAsync("products");

        (await shop.Staff.PostAsync("/v1/products", Shop.Product(), key)).Expect(422, "idempotency-key-reused");
        (await shop.Staff.PostAsync("/v1/products", JsonSerializer.Serialize(product) + " ", key)).Expect(422, "idempotency-key-reused");
        (await shop.Staff.PostAsync("/v1/products:batch", new[] { product }, key)).Expect(422, "idempotency-key-reused");
        (await shop.Staff.PostAsync("/v1/products", product, key, "Content-Type: application/json; charset=utf-8")).Expect(422, "idempotency-key-reused");
        (await shop.Staff.DeleteAsync("/v1/products/" + original.Id, key)).Expect(422, "idempotency-key-reused");
        (await shop.Staff.PostAsync("/v1/products", "{}", key)).Expect(422, "idempotency-key-reused");
        (await shop.Staff.PostAsync("/v1/products", "nonsense", key)).Expect(422, "idempotency-key-reused");

        ShouldReplay(await shop.Staff.PostAsync("/v1/products", product, key), original);
        (await shop.Backend.CountAsync("products")).ShouldBe(rows);
    }

    [Fact]
    public async Task Twelve_identical_requests_at_once_are_one_row_and_one_answer()
    {
        var (key, product) = (Key(), Shop.Product());

        var replies = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => shop.Staff.PostAsync("/v1/products", product, key)));

        replies.ShouldAllBe(reply => reply.Status == 201);
        replies.Select(reply => reply.Text).Distinct().ShouldHaveSingleItem();
        replies.Count(reply => reply.Header("Idempotency-Replayed") is null).ShouldBe(1);
        (await shop.Backend.CountAsync($"products where sku = '{product["sku"]}'")).ShouldBe(1);
    }

    [Fact]
    public async Task Twelve_identical_commands_that_take_a_lock_sell_once()
    {
        var (key, product) = (Key(), await shop.ProductAsync(("stock", 1)));

        var replies = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => shop.Ann.PostAsync("/v1/orders/place", new { productId = product, quantity = 1 }, key)));

        replies.Select(reply => reply.Expect(201).Text).Distinct().ShouldHaveSingleItem();
        (await shop.Anyone.GetAsync("/v1/products/" + product)).Data.GetProperty("stock").GetInt32().ShouldBe(0);
    }

    [Fact]
    public async Task A_key_belongs_to_its_caller()
    {
        var (key, product) = (Key(), await shop.ProductAsync());
        var order = new { productId = product, quantity = 1 };

        var ann = (await shop.Ann.PostAsync("/v1/orders/place", order, key)).Expect(201);
        var bob = (await shop.Bob.PostAsync("/v1/orders/place", order, key)).Expect(201);

        bob.Header("Idempotency-Replayed").ShouldBeNull();
        bob.Id.ShouldNotBe(ann.Id);
    }

    [Fact]
    public async Task A_stranger_can_neither_keep_nor_see_a_key()
    {
        var key = Key();
        var rows = await shop.Backend.CountAsync("mainstay.receipts");

        var first = (await shop.Anyone.PostAsync("/v1/everything", Shop.Everything(), key)).Expect(201);
        var second = (await shop.Anyone.PostAsync("/v1/everything", Shop.Everything(), key)).Expect(201);

        second.Id.ShouldNotBe(first.Id);
        (await shop.Backend.CountAsync("mainstay.receipts where scope in ('', 'anonymous')")).ShouldBe(0);
        rows.ShouldBeGreaterThanOrEqualTo(0);
        (await shop.Anyone.PostAsync("/v1/products", Shop.Product(), key)).Expect(401, "unauthenticated");
    }

    [Theory]
    [InlineData("\"unterminated")]
    [InlineData("\"\"")]
    [InlineData("a b")]
    [InlineData("\"a\", \"b\"")]
    [InlineData("a,b")]
    [InlineData("\"a\\b\"")]
    [InlineData("\"a\";p=1")]
    public async Task A_key_that_is_no_string_is_refused(string key)
    {
        var product = Shop.Product();

        (await shop.Staff.PostAsync("/v1/products", product, "Idempotency-Key: " + key)).Expect(400, "invalid-idempotency-key");
        (await shop.Staff.PostAsync("/v1/products", product)).Expect(201);
    }

    [Fact]
    public async Task A_key_that_is_too_long_doubled_or_not_ascii_is_refused()
    {
        (await shop.Staff.PostAsync("/v1/products", Shop.Product(), "Idempotency-Key: " + new string('k', 256))).Expect(400, "invalid-idempotency-key");
        (await shop.Staff.PostAsync("/v1/products", Shop.Product(), "Idempotency-Key: " + new string('k', 255))).Expect(201);
        var address = new Uri(shop.Backend.Running.Address);
        string Raw(string lines) => $"POST /v1/products HTTP/1.1\r\nHost: {address.Authority}\r\nAuthorization: Test sam;staff\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n{lines}\r\n{{}}";
        (await shop.Backend.SendRawAsync(Raw("Idempotency-Key: one\r\nIdempotency-Key: two\r\n"))).ShouldContain("invalid-idempotency-key");
        (await shop.Backend.SendRawAsync(Raw("Idempotency-Key:\r\n"))).ShouldContain("invalid-idempotency-key");
        (await shop.Backend.SendRawAsync(Raw("Idempotency-Key: sch\u00f6n\r\n"))).ShouldStartWith("HTTP/1.1 400");
    }

    [Fact]
    public async Task A_refusal_of_the_handler_is_replayed_although_it_would_succeed_now()
    {
        var (key, product) = (Key(), await shop.ProductAsync(("stock", 1)));
        var order = new { productId = product, quantity = 2 };
        var refused = (await shop.Ann.PostAsync("/v1/orders/place", order, key)).Expect(409, "out-of-stock");

        (await shop.Staff.PatchAsync("/v1/products/" + product, """{"stock":100}""")).Expect(200);

        ShouldReplay(await shop.Ann.PostAsync("/v1/orders/place", order, key), refused);
        (await shop.Ann.PostAsync("/v1/orders/place", order, Key())).Expect(201);
    }

    [Fact]
    public async Task An_answer_is_replayed_although_its_row_is_gone()
    {
        var (createKey, deleteKey, product) = (Key(), Key(), Shop.Product());
        var original = (await shop.Staff.PostAsync("/v1/products", product, createKey)).Expect(201);
        var deleted = (await shop.Staff.DeleteAsync("/v1/products/" + original.Id, deleteKey)).Expect(204);

        ShouldReplay(await shop.Staff.PostAsync("/v1/products", product, createKey), original);
        ShouldReplay(await shop.Staff.DeleteAsync("/v1/products/" + original.Id, deleteKey), deleted);
    }

    [Fact]
    public async Task A_used_key_wins_over_preconditions_that_have_failed_since()
    {
        var (key, path) = (Key(), "/v1/products/" + await shop.ProductAsync());
        var original = (await shop.Staff.PatchAsync(path, """{"stock":1}""", key, "If-Match: \"v1\"")).Expect(200);
        (await shop.Staff.PatchAsync(path, """{"stock":2}""")).Expect(200);

        ShouldReplay(await shop.Staff.PatchAsync(path, """{"stock":1}""", key, "If-Match: \"v1\""), original);
    }

    [Fact]
    public async Task What_was_refused_before_it_began_is_not_kept()
    {
        var key = Key();

        (await shop.Staff.PostAsync("/v1/products", "{", key)).Expect(400, "malformed-json");
        (await shop.Staff.PostAsync("/v1/products", Shop.Product(("stock", -1)), key)).Expect(400, "validation-failed");
        (await shop.Ann.PostAsync("/v1/products", Shop.Product(), key)).Expect(403, "forbidden");
        (await shop.Staff.PostAsync("/v1/products", "x", key, "Content-Type: text/plain")).Expect(415);

        (await shop.Staff.PostAsync("/v1/products", Shop.Product(), key)).Expect(201).Header("Idempotency-Replayed").ShouldBeNull();
    }

    [Fact]
    public async Task What_another_header_or_another_role_would_change_is_not_kept()
    {
        var key = Key();
        var made = (await shop.Staff.PostAsync("/v1/customers", Shop.Customer())).Expect(201);

        (await shop.Staff.PatchAsync("/v1/customers/" + made.Id, """{"name":"Eve"}""", key)).Expect(428, "precondition-required");

        (await shop.Staff.PatchAsync("/v1/customers/" + made.Id, """{"name":"Eve"}""", key, "If-Match: \"v1\"")).Expect(200);
    }

    [Fact]
    public async Task After_its_time_a_key_starts_afresh()
    {
        var key = Key();
        var product = await shop.ProductAsync(("stock", 3));
        var order = new { productId = product, quantity = 2 };
        async Task ExpireAsync() => await shop.Backend.ExecuteAsync($"update mainstay.receipts set expires_at = mainstay.now() - interval '1 second' where key = '{key.Split('"')[1]}'");
        var first = (await shop.Ann.PostAsync("/v1/orders/place", order, key)).Expect(201);

        await ExpireAsync();
        var refused = (await shop.Ann.PostAsync("/v1/orders/place", order, key)).Expect(409, "out-of-stock");
        ShouldReplay(await shop.Ann.PostAsync("/v1/orders/place", order, key), refused);
        await shop.Staff.PatchAsync("/v1/products/" + product, """{"stock":2}""");
        await ExpireAsync();
        var second = (await shop.Ann.PostAsync("/v1/orders/place", order, key)).Expect(201);

        second.Id.ShouldNotBe(first.Id);
        ShouldReplay(await shop.Ann.PostAsync("/v1/orders/place", order, key), second);
    }

    [Fact]
    public async Task Two_keys_are_two_requests_and_reading_needs_none()
    {
        var path = "/v1/products/" + await shop.ProductAsync();
        var key = Key();

        (await shop.Anyone.GetAsync(path, key)).Expect(200);
        (await shop.Staff.PatchAsync(path, """{"stock":1}""", key)).Expect(200);
        (await shop.Staff.GetAsync(path, key)).Expect(200).Header("Idempotency-Replayed").ShouldBeNull();
    }

    [Fact]
    public async Task A_refused_write_is_kept_with_nothing_of_what_it_wrote()
    {
        var key = Key();
        await shop.ProductAsync(("sku", "kept"));
        var audit = await shop.AuditedAsync();

        var refused = (await shop.Staff.PostAsync("/v1/products", Shop.Product(("sku", "kept"), ("name", "x"), ("price", 1)), key)).Expect(409, "already-exists");

        refused.Header("Idempotency-Replayed").ShouldBeNull();
        (await shop.AuditedAsync()).ShouldBe(audit);
    }
}

/// <summary>What happens while the first request with a key is still running.</summary>
public sealed class ConcurrentKeyTests(OperationFixture fixture) : IClassFixture<OperationFixture>
{
    [Fact]
    public async Task A_failure_is_not_kept_and_the_repetition_runs()
    {
        var user = fixture.Backend.User("ann");
        (await user.PostAsync("/v1/broken", new { name = "x" }, "Idempotency-Key: fails")).Expect(500);
        (await user.PostAsync("/v1/slow", new { name = "x" }, "Idempotency-Key: slow")).Expect(504);

        (await fixture.Backend.CountAsync("mainstay.receipts where key in ('fails', 'slow')")).ShouldBe(0);
        (await user.PostAsync("/v1/broken", new { name = "x" }, "Idempotency-Key: fails")).Expect(500).Header("Idempotency-Replayed").ShouldBeNull();
    }

    [Fact]
    public async Task A_duplicate_that_waits_too_long_is_told_to_come_back()
    {
        var user = fixture.Backend.User("bob");
        var id = (await user.PostAsync("/v1/counters", new { name = "busy", value = 0 })).Expect(201).Id;
        await using var other = await fixture.Backend.ConnectAsync();
        await using var transaction = await other.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var command = new Npgsql.NpgsqlCommand("insert into mainstay.receipts values ('bob', 'busy', '', 200, '', '', now() + interval '1 day')", other, transaction))
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        var (reply, _) = await InTimeAsync();

        reply.Expect(409, "request-in-progress").Header("Retry-After").ShouldBe("1");
        await transaction.RollbackAsync(TestContext.Current.CancellationToken);
        var (repeated, tries) = await InTimeAsync();
        repeated.Expect(204);
        if (tries == 1)
            repeated.Header("Idempotency-Replayed").ShouldBeNull();

        // Its time is short, and may be over before it has begun or while it ends.
        async Task<(Reply Reply, int Tries)> InTimeAsync()
        {
            var made = 0;
            Reply last = null!;
            await Waiting.UntilAsync(async () =>
            {
                made++;
                return (last = await user.PostAsync("/v1/impatient", new { id }, "Idempotency-Key: busy")).Status is not (503 or 504);
            });
            return (last, made);
        }
    }
}
