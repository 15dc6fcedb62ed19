using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay.Tests;

public sealed class MergePatchTests(ShopFixture shop) : IClassFixture<ShopFixture>
{
    /// <summary>RFC 7396, appendix A: original, patch, result. Without the one whose result is null.</summary>
    public static TheoryData<string, string, string> OfDocuments => new()
    {
        { """{"a":"b"}""", """{"a":"c"}""", """{"a":"c"}""" },
        { """{"a":"b"}""", """{"b":"c"}""", """{"a":"b","b":"c"}""" },
        { """{"a":"b"}""", """{"a":null}""", "{}" },
        { """{"a":"b","b":"c"}""", """{"a":null}""", """{"b":"c"}""" },
        { """{"a":["b"]}""", """{"a":"c"}""", """{"a":"c"}""" },
        { """{"a":"c"}""", """{"a":["b"]}""", """{"a":["b"]}""" },
        { """{"a":{"b":"c"}}""", """{"a":{"b":"d","c":null}}""", """{"a":{"b":"d"}}""" },
        { """{"a":[{"b":"c"}]}""", """{"a":[1]}""", """{"a":[1]}""" },
        { """["a","b"]""", """["c","d"]""", """["c","d"]""" },
        { """{"a":"b"}""", """["c"]""", """["c"]""" },
        { """{"a":"foo"}""", "\"bar\"", "\"bar\"" },
        { """{"e":null}""", """{"a":1}""", """{"e":null,"a":1}""" },
        { "[1,2]", """{"a":"b","c":null}""", """{"a":"b"}""" },
        { "{}", """{"a":{"bb":{"ccc":null}}}""", """{"a":{"bb":{}}}""" },
    };

    [Theory]
    [MemberData(nameof(OfDocuments))]
    [InlineData("""{"a":"foo"}""", "null", "null")]
    public void The_algorithm_gives_what_the_rfc_gives(string original, string patch, string result)
    {
        var merged = MergePatchDocument.Apply(JsonElement.Parse(original), JsonElement.Parse(patch));

        JsonElement.DeepEquals(merged ?? JsonElement.Parse("null"), JsonElement.Parse(result)).ShouldBeTrue(merged?.GetRawText());
    }

    [Fact]
    public void A_patch_of_nothing_makes_the_document_without_its_nulls()
    {
        MergePatchDocument.Apply(null, JsonElement.Parse("""{"a":{"b":null,"c":[null]}}"""))!.Value.GetRawText().ShouldBe("""{"a":{"c":[null]}}""");
        MergePatchDocument.Apply(null, JsonElement.Parse("null")).ShouldBeNull();
        MergePatchDocument.Apply(null, null).ShouldBeNull();
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"x\"")]
    [InlineData("1")]
    [InlineData("true")]
    public async Task A_patch_that_is_no_object_would_replace_the_row_with_what_no_row_can_be(string patch)
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        (await shop.Staff.PatchAsync(path, patch)).Expect(400, "validation-failed").Faults.ShouldBe(["# type"]);
        (await shop.Anyone.GetAsync(path)).ETag.ShouldStartWith("\"v1-");
    }

    [Fact]
    public async Task Nothing_changes_when_a_required_member_would_be_removed()
    {
        var path = "/v1/products/" + await shop.ProductAsync(("note", "kept"));

        (await shop.Staff.PatchAsync(path, """{"note":null,"name":null}""")).Expect(400, "validation-failed").Faults.ShouldBe(["#/name required"]);

        var read = await shop.Anyone.GetAsync(path);
        read.Data.GetProperty("note").GetString().ShouldBe("kept");
        read.ETag.ShouldStartWith("\"v1-");
    }

    [Fact]
    public async Task Absent_keeps_null_removes_and_a_document_is_merged_into()
    {
        var path = "/v1/products/" + await shop.ProductAsync(("note", "old"), ("attributes", new { a = new { b = 1, c = new[] { 1, 2 } }, d = "x" }));

        var patched = (await shop.Staff.PatchAsync(path, """{"attributes":{"a":{"b":null,"c":[3]},"e":{"f":null}}}""")).Expect(200);
        patched.Data.GetProperty("note").GetString().ShouldBe("old");
        JsonElement.DeepEquals((await shop.Anyone.GetAsync(path)).Data.GetProperty("attributes"), JsonElement.Parse("""{"a":{"c":[3]},"d":"x","e":{}}""")).ShouldBeTrue();

        var emptied = (await shop.Staff.PatchAsync(path, """{"attributes":null,"note":null}""")).Expect(200);
        foreach (var member in new[] { "attributes", "note" })
            emptied.Data.GetProperty(member).ValueKind.ShouldBe(JsonValueKind.Null);
    }

    [Theory]
    [InlineData("application/merge-patch+json")]
    [InlineData("application/merge-patch+json; charset=utf-8")]
    [InlineData("Application/Merge-Patch+JSON")]
    [InlineData("application/json")]
    public async Task The_media_type_is_merge_patch_or_plain_json(string type)
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        (await shop.Staff.PatchAsync(path, """{"stock":1}""", "Content-Type: " + type)).Expect(200);
    }

    [Theory]
    [InlineData("application/json-patch+json")]
    [InlineData("text/plain")]
    [InlineData("application/merge-patch+json; charset=latin1")]
    public async Task Another_media_type_is_refused_with_those_that_are_taken(string type)
    {
        var path = "/v1/products/" + await shop.ProductAsync();

        var reply = (await shop.Staff.PatchAsync(path, """[{"op":"remove","path":"/note"}]""", "Content-Type: " + type)).Expect(415, "unsupported-media-type");

        reply.Header("Accept-Patch").ShouldBe("application/merge-patch+json, application/json");
    }
}
