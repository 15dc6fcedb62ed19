namespace Mainstay.Tests;

public sealed class CachingTests(NotesFixture notes) : IClassFixture<NotesFixture>
{
    [Fact]
    public async Task What_anyone_may_read_may_be_kept_by_anyone_and_everything_else_by_its_caller()
    {
        var path = await notes.NoteAsync(5);
        var note = path["/v1/notes/".Length..];
        var letter = "/v1/letters/" + (await notes.Ann.PostAsync("/v1/letters", new { memoId = note, ownerId = "ann", text = "x" })).Expect(201).Id;

        foreach (var (caller, url, cache, vary) in new[]
        {
            (notes.Anyone, path, "public, max-age=60", "Accept-Encoding"),
            (notes.Ann, path, "public, max-age=60", "Accept-Encoding"),
            (notes.Anyone, path + "?fields=text", "public, max-age=60", "Accept-Encoding"),
            (notes.Ann, path + "?include=letters", "private, max-age=60", "Authorization, Accept-Encoding"),
            (notes.Anyone, "/v1/notes", "public, max-age=60", "Authorization, Accept-Encoding"),
            (notes.Ann, letter, "private, max-age=120", "Authorization, Accept-Encoding"),
            (notes.Ann, "/v1/letters", "private, max-age=120", "Authorization, Accept-Encoding"),
            (notes.Anyone, "/v1/olds", "no-cache", "Authorization, Accept-Encoding"),
            (notes.Anyone, "/v1/reports/open", "public, max-age=30", "Authorization, Accept-Encoding"),
            (notes.Ann, "/v1/reports/closed", "private, max-age=30", "Authorization, Accept-Encoding"),
            (notes.Anyone, "/v1/reports/plain", "no-cache", "Authorization, Accept-Encoding"),
        })
        {
            var reply = (await caller.GetAsync(url)).Expect(200);
            reply.Header("Cache-Control")!.Split(", ").ShouldBe(cache.Split(", "), ignoreOrder: true, url);
            reply.Header("Vary").ShouldBe(vary, url);
            reply.Header("Date").ShouldNotBeNull();
            reply.Header("Age").ShouldBeNull();
            reply.Header("Content-Location").ShouldBeNull();
        }
    }

    [Fact]
    public async Task A_304_says_again_how_long_the_answer_may_be_kept()
    {
        var path = await notes.NoteAsync(5);

        var same = (await notes.Anyone.GetAsync(path, "If-None-Match: *")).Expect(304);

        same.Header("Cache-Control")!.Split(", ").ShouldBe(["public", "max-age=60"], ignoreOrder: true);
        same.Header("Vary").ShouldBe("Accept-Encoding");
    }

    [Fact]
    public async Task Changes_and_refusals_are_never_kept()
    {
        var made = (await notes.Anyone.PostAsync("/v1/notes", new { text = "x" })).Expect(201);
        var path = "/v1/notes/" + made.Id;

        foreach (var reply in new[]
        {
            made,
            await notes.Anyone.PatchAsync(path, """{"text":"y"}"""),
            await notes.Anyone.PutAsync(path, new { text = "z" }),
            await notes.Ann.PostAsync(path + "/touch", "{}"),
            await notes.Anyone.PostAsync("/v1/notes:batch", new[] { new { text = "x" } }),
            await notes.Anyone.GetAsync("/v1/notes?sort=nothing"),
            await notes.Anyone.GetAsync("/v1/notes/nothing"),
            await notes.Anyone.GetAsync("/nothing"),
            await notes.Anyone.GetAsync(path, "If-Match: \"x\""),
            await notes.Anyone.GetAsync("/v1/letters"),
            await notes.Anyone.SendAsync("BREW", path, null),
            await notes.Anyone.GetAsync("/health/ready"),
            await notes.Anyone.DeleteAsync(path),
        })
        {
            reply.Header("Cache-Control").ShouldBe("no-store", reply.ToString());
            reply.Header("Date").ShouldNotBeNull();
        }
    }

    [Fact]
    public async Task The_next_page_is_linked_with_all_that_was_asked()
    {
        foreach (var i in Enumerable.Range(0, 5))
            (await notes.Anyone.PostAsync("/v1/notes", new { text = $"linked {i}" })).Expect(201);

        foreach (var query in new[] { "?pageSize=2", "?pageSize=1&fields=id,text", "?fields=text&pageSize=3&include=letters" })
        {
            var (url, rows) = ((string?)("/v1/notes" + query), 0);
            var names = query.TrimStart('?').Split('&').Order().ToArray();
            while (url is not null)
            {
                var page = (await notes.Anyone.GetAsync(url)).Expect(200);
                rows += page.Data.GetArrayLength();
                var link = page.Header("Link");
                (link is null).ShouldBe(page.Meta.GetProperty("nextCursor").GetString() is null);
                url = link?[(link.IndexOf('<') + 1)..link.IndexOf('>')];
                if (url is not null)
                {
                    link.ShouldBe($"<{url}>; rel=\"next\"");
                    Uri.UnescapeDataString(url).Split('?')[1].Split('&').Where(part => !part.StartsWith("cursor=", StringComparison.Ordinal)).Order().ShouldBe(names);
                    (await notes.Anyone.SendAsync("HEAD", url, null)).Expect(200);
                }
            }
            rows.ShouldBe((int)await notes.Backend.CountAsync("notes"));
        }
    }
}
