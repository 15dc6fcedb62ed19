using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Mainstay.Internal;

namespace Mainstay.Tests;

public sealed class IdTests
{
    private const string Text = "order_01h455vb4pex5vsknk084sn02q";
    private static readonly Guid Value = new("01890a5d-ac96-774b-bcce-b302099a8057");

    private sealed record Order;
    private sealed record PurchaseOrder;
    private sealed record SKUEntry;
    private sealed record Address2;
    [IdPrefix("ord")] private sealed record Renamed;
    [IdPrefix("Ord_")] private sealed record BadlyRenamed;

    [Fact]
    public void An_id_is_the_text_of_its_uuid()
    {
        Id<Order>.From(Value).ToString().ShouldBe(Text);
        $"{Id<Order>.From(Value)}".ShouldBe(Text);
        Id<Order>.Parse(Text).Value.ShouldBe(Value);
    }

    [Fact]
    public void The_prefix_is_the_declared_one_or_the_name_in_snake_case()
    {
        Id<Order>.Prefix.ShouldBe("order");
        Id<PurchaseOrder>.Prefix.ShouldBe("purchase_order");
        Id<SKUEntry>.Prefix.ShouldBe("sku_entry");
        Id<Renamed>.Prefix.ShouldBe("ord");
    }

    [Fact]
    public void A_type_whose_name_is_no_prefix_needs_the_attribute()
    {
        Should.Throw<ConfigurationException>(() => Id<Address2>.New().ToString()).Message.ShouldContain("[IdPrefix(\"…\")]");
        Should.Throw<ConfigurationException>(() => Id<List<int>>.Prefix).Code.ShouldBe("MST1201");
        Should.Throw<ConfigurationException>(() => Id<BadlyRenamed>.Parse(Text)).Code.ShouldBe("MST1201");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("01h455vb4pex5vsknk084sn02q")]
    [InlineData("_01h455vb4pex5vsknk084sn02q")]
    [InlineData("customer_01h455vb4pex5vsknk084sn02q")]
    [InlineData("purchase_order_01h455vb4pex5vsknk084sn02q")]
    [InlineData("ORDER_01h455vb4pex5vsknk084sn02q")]
    [InlineData("order_01H455VB4PEX5VSKNK084SN02Q")]
    [InlineData("order-01h455vb4pex5vsknk084sn02q")]
    [InlineData("order_81h455vb4pex5vsknk084sn02q")]
    [InlineData("order_01h455vb4pex5vsknk084sn02ı")]
    [InlineData(" order_01h455vb4pex5vsknk084sn02q")]
    [InlineData("01890a5d-ac96-774b-bcce-b302099a8057")]
    public void Another_text_is_refused(string? text)
    {
        Id<Order>.TryParse(text, out var id).ShouldBeFalse();
        id.ShouldBe(default);
        if (text is not null)
            Should.Throw<FormatException>(() => Id<Order>.Parse(text)).Message.ShouldContain("order_");
    }

    [Fact]
    public void The_order_of_ids_is_the_order_of_their_texts() =>
        Prop.ForAll<Guid, Guid>((a, b) =>
        {
            var (left, right) = (Id<Order>.From(a), Id<Order>.From(b));
            var order = Math.Sign(string.CompareOrdinal(left.ToString(), right.ToString()));
            return Math.Sign(left.CompareTo(right)) == order
                && left < right == order < 0 && left <= right == order <= 0 && left > right == order > 0 && left >= right == order >= 0
                && left == right == (order == 0) && left != right == (order != 0);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_default_is_the_nil_id()
    {
        default(Id<Order>).Value.ShouldBe(Guid.Empty);
        default(Id<Order>).ToString().ShouldBe("order_00000000000000000000000000");
    }

    [Fact]
    public void New_ids_increase_strictly_over_all_threads()
    {
        var sequences = Enumerable.Range(0, 4).AsParallel().WithDegreeOfParallelism(4)
            .Select(_ => Enumerable.Range(0, 50_000).Select(_ => Id<Order>.New()).ToArray())
            .ToArray();

        foreach (var ids in sequences)
            ids.Zip(ids.Skip(1)).ShouldAllBe(pair => pair.First < pair.Second);
        sequences.SelectMany(ids => ids).Select(id => id.Value.ToString()[..18]).Distinct().Count().ShouldBe(200_000);
    }

    [Fact]
    public void A_new_id_is_a_uuid_of_version_7_with_the_time_it_was_made()
    {
        var clock = new StoppedClock { Now = new DateTimeOffset(2026, 3, 1, 12, 0, 0, 250, TimeSpan.Zero).AddTicks(5_000) };

        var id = new IdSequence(clock).Next();

        id.Version.ShouldBe(7);
        (id.Variant >> 2).ShouldBe(2);
        var bytes = id.ToByteArray(bigEndian: true);
        Convert.ToInt64(Convert.ToHexString(bytes, 0, 6), 16).ShouldBe(clock.Now.ToUnixTimeMilliseconds());
        (((bytes[6] & 0xf) << 8) | bytes[7]).ShouldBe(2048);
    }

    [Fact]
    public void Ids_increase_while_the_clock_stands_or_goes_back()
    {
        var clock = new StoppedClock { Now = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero) };
        var sequence = new IdSequence(clock);

        var ids = new List<Guid>();
        for (var i = 0; i < 10_000; i++)
            ids.Add(sequence.Next());
        clock.Now -= TimeSpan.FromHours(1);
        ids.Add(sequence.Next());
        clock.Now += TimeSpan.FromHours(2);
        ids.Add(sequence.Next());

        ids.Zip(ids.Skip(1)).ShouldAllBe(pair => pair.First < pair.Second);
        Convert.ToInt64(Convert.ToHexString(ids[^1].ToByteArray(bigEndian: true), 0, 6), 16).ShouldBe(clock.Now.ToUnixTimeMilliseconds());
    }

    [Fact]
    public void Json_has_the_text_form()
    {
        var id = Id<Order>.Parse(Text);

        JsonSerializer.Serialize(id).ShouldBe($"\"{Text}\"");
        JsonSerializer.Deserialize<Id<Order>>("\"order\\u005f01h455vb4pex5vsknk084sn02q\"").ShouldBe(id);
        JsonSerializer.Deserialize<Id<Order>?>("null").ShouldBeNull();
        JsonSerializer.Serialize(new Dictionary<Id<Order>, int> { [id] = 1 }).ShouldBe($$"""{"{{Text}}":1}""");
        JsonSerializer.Deserialize<Dictionary<Id<Order>, int>>($$"""{"{{Text}}":1}""")!.ShouldContainKey(id);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("null")]
    [InlineData("\"\"")]
    [InlineData("\"customer_01h455vb4pex5vsknk084sn02q\"")]
    public void Json_refuses_another_value_and_says_what_it_expects(string json) =>
        Should.Throw<JsonException>(() => JsonSerializer.Deserialize<Id<Order>>(json)).Message.ShouldContain("'order_'");

    [Fact]
    public void Json_refuses_a_long_string_without_reading_it() =>
        Should.Throw<JsonException>(() => JsonSerializer.Deserialize<Id<Order>>($"\"{new string('a', 1_000_000)}\""));

    private sealed class StoppedClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; }

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
