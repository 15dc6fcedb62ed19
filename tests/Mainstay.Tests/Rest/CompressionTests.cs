using System.IO.Compression;
using System.Text;

namespace Mainstay.Tests;

public sealed class CompressionTests(NotesFixture notes) : IClassFixture<NotesFixture>
{
    private const int Large = 8000;

    [Theory]
    [InlineData("gzip", "gzip")]
    [InlineData("br", "br")]
    [InlineData("gzip, deflate, br, zstd", "br")]
    [InlineData("br;q=0.5, gzip;q=1.0", "gzip")]
    [InlineData("br;q=0.5,gzip;q=0.500", "br")]
    [InlineData("gzip ; q=0.1", "gzip")]
    [InlineData("GZip", "gzip")]
    [InlineData("x-gzip", "gzip")]
    [InlineData("*", "br")]
    [InlineData("br;q=0, *", "gzip")]
    [InlineData("gzip, identity;q=0.5", "gzip")]
    [InlineData("gzip, identity", "gzip")]
    [InlineData("gzip, *;q=0", "gzip")]
    [InlineData("identity;q=0, gzip;q=0.1", "gzip")]
    [InlineData("identity", null)]
    [InlineData("identity;q=1, gzip;q=0.5", null)]
    [InlineData("gzip;q=0", null)]
    [InlineData("gzip;q=0, br;q=0.000", null)]
    [InlineData("deflate, zstd", null)]
    [InlineData("gzip;q=2", null)]
    [InlineData("gzip;q=x", null)]
    [InlineData("gzip;level=9", null)]
    [InlineData(";,=, ;q", null)]
    public async Task The_coding_is_the_one_that_the_client_likes_best(string accepted, string? coding)
    {
        var path = await notes.NoteAsync(Large);
        var plain = (await notes.Anyone.GetAsync(path)).Expect(200);

        var reply = (await notes.Anyone.GetAsync(path, "Accept-Encoding: " + accepted)).Expect(200);

        reply.Header("Content-Encoding").ShouldBe(coding);
        Decoded(reply).ShouldBe(plain.Text);
        reply.Header("Content-Length").ShouldBe($"{reply.Bytes.Length}");
        reply.Header("Content-Type").ShouldBe("application/json");
        reply.ETag.ShouldBe(coding is null ? plain.ETag : plain.ETag.TrimEnd('"') + $"-{coding}\"");
        foreach (var answer in new[] { plain, reply })
            answer.Header("Vary").ShouldBe("Accept-Encoding");
        if (coding is not null)
            reply.Bytes.Length.ShouldBeLessThan(plain.Bytes.Length / 4);
    }

    [Fact]
    public async Task Each_coding_has_its_own_tag_and_its_own_304()
    {
        var path = await notes.NoteAsync(Large);
        string[] codings = ["identity", "gzip", "br"];
        var replies = new List<Reply>();
        foreach (var coding in codings)
            replies.Add(await notes.Anyone.GetAsync(path, "Accept-Encoding: " + coding));

        replies.Select(reply => reply.ETag).Distinct().Count().ShouldBe(3);
        for (var i = 0; i < codings.Length; i++)
            for (var j = 0; j < codings.Length; j++)
            {
                var reply = (await notes.Anyone.GetAsync(path, "Accept-Encoding: " + codings[i], "If-None-Match: " + replies[j].ETag)).Expect(i == j ? 304 : 200);
                reply.ETag.ShouldBe(replies[i].ETag);
                reply.Header("Vary").ShouldBe("Accept-Encoding");
                if (i == j)
                    reply.Header("Content-Encoding").ShouldBeNull();
            }
        (await notes.Anyone.GetAsync(path, "Accept-Encoding: br", $"If-None-Match: {replies[0].ETag}, W/{replies[2].ETag}")).Expect(304);
        (await notes.Anyone.GetAsync(path, "Accept-Encoding: br", "If-Match: " + replies[1].ETag)).Expect(412);
        (await notes.Anyone.PatchAsync(path, """{"text":"y"}""", "If-Match: " + replies[1].ETag)).Expect(200);
        (await notes.Anyone.PatchAsync(path, """{"text":"z"}""", "If-Match: " + replies[2].ETag)).Expect(412);
    }

    [Theory]
    [InlineData("identity")]
    [InlineData("gzip")]
    [InlineData("br")]
    public async Task Head_has_the_fields_of_get_in_every_coding(string coding)
    {
        foreach (var path in new[] { await notes.NoteAsync(Large), await notes.NoteAsync(10), "/v1/notes?pageSize=1", "/openapi.json", "/v1/notes/nothing", "/v1/reports/open" })
        {
            var get = await notes.Anyone.GetAsync(path, "Accept-Encoding: " + coding, "Request-Id: same-request");
            var head = await notes.Anyone.SendAsync("HEAD", path, null, "Accept-Encoding: " + coding, "Request-Id: same-request");

            head.Bytes.ShouldBeEmpty();
            head.Status.ShouldBe(get.Status);
            // The trace is of this request, so the length of a problem is the same and its text is not.
            head.Headers.Where(header => header.Key != "Date").ShouldBe(get.Headers.Where(header => header.Key != "Date"), ignoreOrder: true, path);
        }
    }

    [Fact]
    public async Task A_small_answer_is_sent_as_it_is_unless_the_client_refuses_that()
    {
        var path = await notes.NoteAsync(10);

        (await notes.Anyone.GetAsync(path, "Accept-Encoding: gzip, br")).Expect(200).Header("Content-Encoding").ShouldBeNull();
        (await notes.Anyone.GetAsync(path, "Accept-Encoding: gzip, br")).Header("Vary").ShouldBe("Accept-Encoding");
        var refused = (await notes.Anyone.GetAsync(path, "Accept-Encoding: gzip, identity;q=0")).Expect(200);
        refused.Header("Content-Encoding").ShouldBe("gzip");
        Decoded(refused).ShouldBe((await notes.Anyone.GetAsync(path)).Text);
    }

    [Theory]
    [InlineData("identity;q=0")]
    [InlineData("*;q=0")]
    [InlineData("deflate, *;q=0")]
    [InlineData("gzip;q=0, br;q=0, identity;q=0")]
    public async Task Who_refuses_every_coding_is_refused_before_anything_is_done(string accepted)
    {
        var count = await notes.Backend.CountAsync("notes");

        (await notes.Anyone.GetAsync("/v1/notes", "Accept-Encoding: " + accepted)).Expect(406, "not-acceptable");
        (await notes.Anyone.PostAsync("/v1/notes", new { text = "x" }, "Accept-Encoding: " + accepted)).Expect(406, "not-acceptable");

        (await notes.Backend.CountAsync("notes")).ShouldBe(count);
    }

    [Fact]
    public async Task What_could_help_a_foreign_page_to_guess_is_not_compressed()
    {
        var path = await notes.NoteAsync(Large);

        (await notes.Anyone.GetAsync(path, "Accept-Encoding: gzip", "Cookie: session=1")).Expect(200).Header("Content-Encoding").ShouldBeNull();
        var faults = string.Join(',', Enumerable.Range(0, 60).Select(i => $"\"member{i}\":1"));
        var problem = (await notes.Anyone.PostAsync("/v1/notes", $"{{{faults}}}", "Accept-Encoding: gzip")).Expect(400, "validation-failed");
        problem.Bytes.Length.ShouldBeGreaterThan(2000);
        problem.Header("Content-Encoding").ShouldBeNull();
        problem.Header("Vary").ShouldBeNull();
    }

    [Fact]
    public async Task A_replay_is_compressed_afresh_for_whoever_asks()
    {
        const string key = "Idempotency-Key: compressed-1";
        var body = new { text = new string('x', Large) };
        var original = (await notes.Ann.PostAsync("/v1/notes", body, key, "Accept-Encoding: br")).Expect(201);
        original.Header("Content-Encoding").ShouldBe("br");

        foreach (var coding in new[] { "identity", "gzip", "br" })
        {
            var replay = (await notes.Ann.PostAsync("/v1/notes", body, key, "Accept-Encoding: " + coding)).Expect(201);
            replay.Header("Idempotency-Replayed").ShouldBe("true");
            replay.Header("Content-Encoding").ShouldBe(coding == "identity" ? null : coding);
            replay.Header("Vary").ShouldBe("Accept-Encoding");
            replay.ETag.ShouldBe(original.ETag);
            Decoded(replay).ShouldBe(Decoded(original));
        }
        (await notes.Backend.ScalarAsync<bool>("select position('\"text\":\"xxxx'::bytea in body) > 0 from mainstay.receipts where key = 'compressed-1'")).ShouldBeTrue();
    }

    [Fact]
    public async Task The_contract_and_the_documentation_are_compressed_too()
    {
        var plain = (await notes.Anyone.GetAsync("/openapi.json")).Expect(200);
        var packed = (await notes.Anyone.GetAsync("/openapi.json", "Accept-Encoding: br")).Expect(200);

        Decoded(packed).ShouldBe(plain.Text);
        packed.ETag.ShouldNotBe(plain.ETag);
        (await notes.Anyone.GetAsync("/openapi.json", "Accept-Encoding: br", "If-None-Match: " + packed.ETag)).Expect(304);
        (await notes.Anyone.GetAsync("/problems/not-found", "Accept: application/json")).Header("Vary").ShouldBe("Accept, Accept-Encoding");
    }

    private static string Decoded(Reply reply)
    {
        var bytes = new MemoryStream(reply.Bytes);
        using Stream stream = reply.Header("Content-Encoding") switch
        {
            "br" => new BrotliStream(bytes, CompressionMode.Decompress),
            "gzip" => new GZipStream(bytes, CompressionMode.Decompress),
            _ => bytes,
        };
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
