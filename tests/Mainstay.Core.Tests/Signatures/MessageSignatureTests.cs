using System.Security.Cryptography;
using System.Text;
using Mainstay.Internal;

namespace Mainstay.Tests;

public sealed class MessageSignatureTests
{
    private static readonly Dictionary<string, string> message = new()
    {
        ["date"] = "Tue, 20 Apr 2021 02:07:55 GMT", ["@authority"] = "example.com", ["content-type"] = "application/json",
    };

    [Fact]
    public void The_vector_of_the_standard_for_a_shared_secret_is_reproduced()
    {
        // RFC 9421 B.1.5 and B.2.5
        var secret = Convert.FromBase64String("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==");
        var signature = MessageSignature.Read("sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"",
            "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:").ShouldNotBeNull().ShouldHaveSingleItem();

        var signed = signature.Base(component => message.GetValueOrDefault((string)component.Value)).ShouldNotBeNull();

        Encoding.ASCII.GetString(signed).ShouldBe("""
            "date": Tue, 20 Apr 2021 02:07:55 GMT
            "@authority": example.com
            "content-type": application/json
            "@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"
            """.ReplaceLineEndings("\n"));
        HMACSHA256.HashData(secret, signed).ShouldBe(signature.Value);
        (signature.Label, signature.KeyId, signature.Created, signature.Nonce).ShouldBe(("sig-b25", "test-shared-secret", 1618884473L, null));
    }

    [Fact]
    public void Parameters_are_signed_in_their_canonical_form_and_in_the_order_they_came()
    {
        var signature = MessageSignature.Read("a=( \"date\"   \"@authority\" ); keyid=\"k\\\"1\";expires=2; created=1;tag=\"x\"", "a=:AAAA:").ShouldNotBeNull()[0];

        Encoding.ASCII.GetString(signature.Base(component => message[(string)component.Value])!).ShouldEndWith("\n\"@signature-params\": (\"date\" \"@authority\");keyid=\"k\\\"1\";expires=2;created=1;tag=\"x\"");
        signature.KeyId.ShouldBe("k\"1");
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("a=(\"date\");keyid=\"k\"", "")]
    [InlineData("a=(\"date\");keyid=\"k\"", "b=:AAAA:")]
    [InlineData("a=(\"date\");keyid=\"k\"", "a=:AAAA:, b=:AAAA:")]
    [InlineData("a=(\"date\");keyid=\"k\"", "a=\"AAAA\"")]
    [InlineData("a=(\"date\");keyid=\"k\"", "a=:A$AA:")]
    [InlineData("a=(\"date\";keyid=\"k\"", "a=:AAAA:")]
    [InlineData("a=(\"date\" \"date\");keyid=\"k\"", "a=:AAAA:")]
    [InlineData("a=(\"Date\");keyid=\"k\"", "a=:AAAA:")]
    [InlineData("a=(date);keyid=\"k\"", "a=:AAAA:")]
    [InlineData("a=(\"date\");keyid=k", "a=:AAAA:")]
    [InlineData("a=(\"date\");created=\"1\"", "a=:AAAA:")]
    [InlineData("a=(\"date\");created=1.5", "a=:AAAA:")]
    [InlineData("a=(\"date\");created=1234567890123456", "a=:AAAA:")]
    [InlineData("a=(\"date\"),", "a=:AAAA:")]
    [InlineData("a=\"date\"", "a=:AAAA:")]
    [InlineData("a=(\"date\"), b=(), c=(), d=(), e=()", "a=:AAAA:, b=:AAAA:, c=:AAAA:, d=:AAAA:, e=:AAAA:")]
    public void What_could_be_read_in_two_ways_is_not_read(string input, string signature) => MessageSignature.Read(input, signature).ShouldBeNull();

    [Fact]
    public void A_signature_has_bounds()
    {
        var many = string.Join(' ', Enumerable.Range(0, MessageSignature.ComponentsMost + 1).Select(i => $"\"x{i}\""));

        MessageSignature.Read($"a=({many})", "a=:AAAA:").ShouldBeNull();
        MessageSignature.Read($"a=(\"date\");keyid=\"{new string('k', MessageSignature.FieldMost)}\"", "a=:AAAA:").ShouldBeNull();
    }

    [Fact]
    public void A_component_that_is_absent_or_breaks_the_line_is_not_signed()
    {
        var signature = MessageSignature.Read("a=(\"date\")", "a=:AAAA:").ShouldNotBeNull()[0];

        signature.Base(_ => null).ShouldBeNull();
        signature.Base(_ => "x\n\"@method\": POST").ShouldBeNull();
    }

    [Theory]
    [InlineData("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", true)]
    [InlineData("sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:, sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", true)]
    [InlineData("md5=:AAAA:, sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", true)]
    [InlineData("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:, sha-512=:AAAA:", false)]
    [InlineData("sha-256=:AAAA:", false)]
    [InlineData("md5=:AAAA:", false)]
    [InlineData("sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE", false)]
    [InlineData("", false)]
    public void A_digest_must_be_that_of_the_body(string field, bool matches) =>
        // The body and both digests are those of RFC 9530, appendix B.
        ContentDigest.Matches(field, "{\"hello\": \"world\"}"u8).ShouldBe(matches);
}
