using System.Buffers.Text;
using FsCheck;
using FsCheck.Fluent;
using Mainstay.Internal;

namespace Mainstay.Tests.Paging;

public sealed class CursorCodecTests
{
    private static readonly DateTimeOffset start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly CursorCodec cursors = Codec(1);

    private static CursorKey Key(int id, int day = 0) => new(id, [.. Enumerable.Range(id, 32).Select(i => (byte)i)], start.AddDays(day));

    private static CursorCodec Codec(params int[] ids) => new(new CursorKeys(ids.Select(id => Key(id))), new Clock(start));

    private static bool Opens(CursorCodec codec, string cursor) => codec.Open(cursor, out _) == CursorVerdict.Opened;

    [Fact]
    public void What_was_sealed_opens_again() => Prop.ForAll(ArbMap.Default.ArbFor<byte[]>().Filter(bytes => bytes is { Length: > 0 }), payload =>
        cursors.Open(cursors.Seal(payload), out var opened) == CursorVerdict.Opened && opened.SequenceEqual(payload)).QuickCheckThrowOnFailure();

    [Fact]
    public void A_cursor_with_any_changed_character_does_not_open()
    {
        foreach (var length in new[] { 1, 2, 3, 4, 5 })
        {
            var cursor = cursors.Seal(new byte[length]);
            for (var i = 0; i < cursor.Length; i++)
                foreach (var other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".Where(other => other != cursor[i]))
                    Opens(cursors, $"{cursor[..i]}{other}{cursor[(i + 1)..]}").ShouldBeFalse($"{length} bytes, {other} at {i}");
        }
    }

    [Fact]
    public void A_cursor_cut_or_lengthened_anywhere_does_not_open()
    {
        var cursor = cursors.Seal([1, 2, 3, 4, 5]);

        for (var length = 0; length < cursor.Length; length++)
            Opens(cursors, cursor[..length]).ShouldBeFalse();
        for (var at = 0; at <= cursor.Length; at++)
            foreach (var more in new[] { "A", "=", " ", "\n", "AAAA" })
                Opens(cursors, cursor.Insert(at, more)).ShouldBeFalse($"'{more}' at {at}");
    }

    [Fact]
    public void A_cursor_has_one_spelling()
    {
        var cursor = cursors.Seal([1, 2, 3]);
        var bytes = Base64Url.DecodeFromChars(cursor);

        foreach (var other in new[] { cursor + "=", cursor + "==", " " + cursor, cursor + "\n", cursor[..4] + "\r\n" + cursor[4..], Convert.ToBase64String(bytes) + "=" })
            Opens(cursors, other).ShouldBeFalse(other);
    }

    [Fact]
    public void A_cursor_of_another_secret_under_the_same_id_does_not_open() =>
        new CursorCodec(new CursorKeys([new CursorKey(1, new byte[32], start)]), new Clock(start)).Open(cursors.Seal([1, 2, 3]), out _).ShouldBe(CursorVerdict.Forged);

    [Theory]
    [InlineData("")]
    [InlineData("AAAA")]
    [InlineData("not base64url!")]
    [InlineData("====")]
    public void Rubbish_does_not_open(string text) => Opens(cursors, text).ShouldBeFalse();

    [Fact]
    public void A_cursor_that_is_too_long_is_not_even_looked_at() => Opens(cursors, cursors.Seal(new byte[CursorCodec.LengthMost])).ShouldBeFalse();

    [Fact]
    public void A_cursor_of_another_version_is_outdated()
    {
        var bytes = Base64Url.DecodeFromChars(cursors.Seal([1, 2, 3]));
        bytes[0]++;

        cursors.Open(Base64Url.EncodeToString(bytes), out _).ShouldBe(CursorVerdict.Outdated);
    }

    [Fact]
    public void The_newest_key_that_has_begun_signs_and_all_that_are_known_verify()
    {
        var clock = new Clock(start);
        var node = new CursorCodec(new CursorKeys([Key(3, day: 60), Key(1), Key(2, day: 30)]), clock);
        int[] Knowing(string cursor) => [.. new[] { 1, 2, 3 }.Where(id => Opens(Codec(id), cursor))];

        var first = node.Seal([1]);
        clock.Now += TimeSpan.FromDays(30);
        var second = node.Seal([1]);
        clock.Now += TimeSpan.FromDays(30);
        var third = node.Seal([1]);

        Knowing(first).ShouldBe([1]);
        Knowing(second).ShouldBe([2]);
        Knowing(third).ShouldBe([3]);
        foreach (var cursor in new[] { first, second, third })
            Opens(node, cursor).ShouldBeTrue();
    }

    [Fact]
    public void A_key_that_is_gone_is_outdated_and_one_that_is_newer_is_unknown()
    {
        Codec(2, 3).Open(Codec(1).Seal([1]), out _).ShouldBe(CursorVerdict.Outdated);
        Codec(2, 3).Open(Codec(4).Seal([1]), out _).ShouldBe(CursorVerdict.UnknownKey);
    }

    [Theory]
    [InlineData("12.50")]
    [InlineData("")]
    [InlineData(null)]
    public void A_position_belongs_to_the_question_it_was_packed_for(string? value)
    {
        var (question, other) = (Position.BindingOf("/v1/products", "price"), Position.BindingOf("/v1/products", "name"));
        var position = new Position(value, Guid.CreateVersion7());

        var packed = new byte[position.PackedLength];
        position.Pack(packed, question);

        Position.Unpack(packed, question).ShouldBe(position);
        Position.Unpack(packed, other).ShouldBeNull();
    }

    [Fact]
    public void Parts_of_a_question_cannot_run_together() => Position.BindingOf("ab", "c").ShouldNotBe(Position.BindingOf("a", "bc"));

    private sealed class Clock(DateTimeOffset start) : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = start;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
