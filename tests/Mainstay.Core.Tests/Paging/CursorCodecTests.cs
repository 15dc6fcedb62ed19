using FsCheck;
using FsCheck.Fluent;
using Mainstay.Internal;

namespace Mainstay.Tests.Paging;

public sealed class CursorCodecTests
{
    private static readonly CursorCodec cursors = new([.. Enumerable.Range(0, 32).Select(i => (byte)i)]);

    [Fact]
    public void What_was_sealed_opens_again() => Prop.ForAll(ArbMap.Default.ArbFor<byte[]>().Filter(bytes => bytes is { Length: > 0 }), payload =>
        cursors.TryOpen(cursors.Seal(payload), out var opened) && opened.AsSpan().SequenceEqual(payload)).QuickCheckThrowOnFailure();

    [Fact]
    public void A_cursor_with_any_changed_character_does_not_open()
    {
        var cursor = cursors.Seal([1, 2, 3, 4, 5]);

        for (var i = 0; i < cursor.Length; i++)
        {
            var forged = cursor.ToCharArray();
            forged[i] = forged[i] == 'A' ? 'B' : 'A';
            // The last character of base64url has bits that carry nothing; the decoder refuses them or gives the same bytes.
            if (cursors.TryOpen(new string(forged), out var payload))
                payload.ShouldBe([1, 2, 3, 4, 5], $"at {i}");
        }
    }

    [Fact]
    public void A_cursor_of_another_key_does_not_open() => new CursorCodec(new byte[32]).TryOpen(cursors.Seal([1, 2, 3]), out _).ShouldBeFalse();

    [Theory]
    [InlineData("")]
    [InlineData("AAAA")]
    [InlineData("not base64url!")]
    [InlineData("====")]
    public void Rubbish_does_not_open(string text) => cursors.TryOpen(text, out _).ShouldBeFalse();

    [Fact]
    public void A_cursor_that_is_too_long_is_not_even_looked_at() => cursors.TryOpen(new string('A', CursorCodec.LengthMost + 1), out _).ShouldBeFalse();

    [Fact]
    public void A_position_belongs_to_the_question_it_was_packed_for()
    {
        var (question, other) = (Position.BindingOf("/v1/products", "price"), Position.BindingOf("/v1/products", "name"));
        var packed = new Position("12.50", Guid.CreateVersion7()).Pack(question);

        Position.Unpack(packed, question)!.Value.ShouldBe("12.50");
        Position.Unpack(packed, other).ShouldBeNull();
    }

    [Fact]
    public void Parts_of_a_question_cannot_run_together() => Position.BindingOf("ab", "c").ShouldNotBe(Position.BindingOf("a", "bc"));
}
