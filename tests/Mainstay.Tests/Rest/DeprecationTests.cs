using System.Globalization;

namespace Mainstay.Tests;

public sealed class DeprecationTests(NotesFixture notes) : IClassFixture<NotesFixture>
{
    private const string Links = "<https://example.com/changes#olds>; rel=\"deprecation\"; type=\"text/html\", <https://example.com/changes#olds>; rel=\"sunset\"; type=\"text/html\", </v2/olds>; rel=\"successor-version\"";

    [Fact]
    public async Task Every_answer_of_a_deprecated_resource_says_so_and_is_otherwise_the_same()
    {
        var staff = notes.Backend.User("sam", "staff");
        var made = (await staff.PostAsync("/v1/olds", new { text = "x" })).Expect(201);
        var path = "/v1/olds/" + made.Id;
        (await staff.PostAsync("/v1/olds", new { text = "y" })).Expect(201);

        foreach (var reply in new[]
        {
            made,
            (await notes.Anyone.GetAsync(path)).Expect(200),
            (await notes.Anyone.SendAsync("HEAD", path, null)).Expect(200),
            (await notes.Anyone.GetAsync(path, "If-None-Match: " + made.ETag)).Expect(304),
            (await staff.PatchAsync(path, """{"text":"z"}""", "If-Match: " + made.ETag)).Expect(200),
            (await staff.PatchAsync(path, """{"text":"z"}""", "If-Match: " + made.ETag)).Expect(412, "precondition-failed"),
            (await notes.Anyone.GetAsync("/v1/olds/nothing")).Expect(404, "not-found"),
            (await notes.Anyone.PostAsync("/v1/olds", new { text = "x" })).Expect(401, "unauthenticated"),
            (await notes.Ann.PostAsync("/v1/olds", new { text = "x" })).Expect(403, "forbidden"),
            (await staff.PostAsync("/v1/olds", "{")).Expect(400, "malformed-json"),
        })
        {
            reply.Header("Deprecation").ShouldBe("@1769817600");
            reply.Header("Sunset").ShouldBe("Tue, 31 Dec 2999 00:00:00 GMT");
            reply.Header("Link").ShouldBe(Links);
        }
        var page = (await notes.Anyone.GetAsync("/v1/olds?pageSize=1")).Expect(200);
        page.Header("Link")!.ShouldStartWith(Links + ", </v1/olds?pageSize=1&cursor=");
        page.Header("Link")!.ShouldEndWith("; rel=\"next\"");
        DateTimeOffset.ParseExact(page.Header("Sunset")!, "R", CultureInfo.InvariantCulture).Year.ShouldBe(2999);
    }

    [Fact]
    public async Task After_its_sunset_a_resource_is_gone_and_its_headers_still_say_since_when()
    {
        foreach (var reply in new[]
        {
            await notes.Anyone.GetAsync("/v1/gones"),
            await notes.Anyone.GetAsync("/v1/gones/nothing"),
            await notes.Anyone.PostAsync("/v1/gones", "{"),
            await notes.Ann.PostAsync("/v1/gones", new { text = "x" }, "Idempotency-Key: gone-1"),
        })
        {
            reply.Expect(410, "gone").Detail.ShouldBe("This operation was served until Tue, 30 Jun 2020 00:00:00 GMT. Use /v2/gones instead.");
            reply.Header("Deprecation").ShouldBe("@1580428800");
            reply.Header("Sunset").ShouldBe("Tue, 30 Jun 2020 00:00:00 GMT");
            reply.Header("Link").ShouldBe("</v2/gones>; rel=\"successor-version\"");
        }
        (await notes.Backend.CountAsync("gones")).ShouldBe(0);
        (await notes.Anyone.GetAsync("/problems/gone")).Expect(200);
    }

    [Fact]
    public async Task A_command_can_be_deprecated_without_an_end()
    {
        var reply = (await notes.Ann.PostAsync("/v1/numbers", null)).Expect(200);

        reply.Header("Deprecation").ShouldBe("@1735689600");
        reply.Header("Sunset").ShouldBeNull();
        reply.Header("Link").ShouldBeNull();
        (await notes.Anyone.GetAsync("/v1/notes")).Header("Deprecation").ShouldBeNull();
    }

    [Fact]
    public async Task The_contract_agrees()
    {
        var document = (await notes.Anyone.GetAsync("/openapi.json")).Expect(200).Json.GetProperty("paths");

        var old = document.GetProperty("/v1/olds").GetProperty("get");
        old.GetProperty("deprecated").GetBoolean().ShouldBeTrue();
        foreach (var name in new[] { "Deprecation", "Sunset", "Link" })
            old.GetProperty("responses").GetProperty("200").GetProperty("headers").TryGetProperty(name, out _).ShouldBeTrue(name);
        old.GetProperty("responses").TryGetProperty("410", out _).ShouldBeTrue();
        document.GetProperty("/v1/numbers").GetProperty("post").GetProperty("deprecated").GetBoolean().ShouldBeTrue();
        document.GetProperty("/v1/notes").GetProperty("get").TryGetProperty("deprecated", out _).ShouldBeFalse();
    }

    [Fact]
    public async Task Mistakes_of_lifetimes_are_reported_together()
    {
        var day = new DateOnly(2026, 1, 31);

        var message = await TestBackend.RefuseAsync("Host=none", backend =>
        {
            backend.Resource<Old>("/v1/olds").AllowRead(Policy.Anyone).Deprecated(day, sunset: day.AddDays(-1)).Cache(TimeSpan.Zero);
            backend.Query("GET /v1/a", () => new Figure(1)).Allow(Policy.Anyone).Cache(TimeSpan.FromMilliseconds(1500)).Deprecated(day, info: "page.html");
            backend.Query("GET /v1/b", () => new Figure(1)).Allow(Policy.Anyone).Cache(TimeSpan.FromDays(366)).Deprecated(day, successor: "/v2/<b>");
            backend.Command("POST /v1/c", (UnitOfWork work) => new Figure(1)).Allow(Policy.Anyone).Cache(TimeSpan.FromSeconds(1)).Deprecated(day, sunset: day);
        });

        message.Split("MST1021").Length.ShouldBe(5, message);
        message.Split("MST1022").Length.ShouldBe(4, message);
        message.ShouldContain("gone from 2026-01-30 on");
        message.ShouldContain("'POST /v1/c' is a command");
    }
}
