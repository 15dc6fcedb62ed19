using Mainstay.Internal;

namespace Mainstay.Tests.Idempotency;

public sealed class IdempotencyKeyTests
{
    [Theory]
    [InlineData("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324")]
    [InlineData("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324")]
    [InlineData("  \"a b\"  ", "a b")]
    [InlineData("\"a\\\"b\\\\c\"", "a\"b\\c")]
    public void Quoted_and_bare_keys_are_the_same_key(string header, string key) => IdempotencyKey.Parse([header]).ShouldBe(key);

    [Theory]
    [InlineData("")]
    [InlineData("\"\"")]
    [InlineData("\"unterminated")]
    [InlineData("\"a\", \"b\"")]
    [InlineData("a, b")]
    [InlineData("a b")]
    [InlineData("\"a\\x\"")]
    [InlineData("\"ä\"")]
    [InlineData("\"a\tb\"")]
    [InlineData("\"a\"b\"")]
    public void A_key_that_is_not_one_string_is_refused(string header) =>
        Should.Throw<ProblemException>(() => IdempotencyKey.Parse([header])).Type.Code.ShouldBe("invalid-idempotency-key");

    [Fact]
    public void Two_lines_are_refused() => Should.Throw<ProblemException>(() => IdempotencyKey.Parse(["a", "a"])).Type.Code.ShouldBe("invalid-idempotency-key");

    [Fact]
    public void The_longest_key_has_255_characters()
    {
        IdempotencyKey.Parse([new string('k', 255)]).Length.ShouldBe(255);
        Should.Throw<ProblemException>(() => IdempotencyKey.Parse([new string('k', 256)]));
    }
}
