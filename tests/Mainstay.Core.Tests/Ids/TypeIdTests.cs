using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Mainstay.Internal;

namespace Mainstay.Tests;

public sealed class TypeIdTests
{
    [Theory, MemberData(nameof(Valid))]
    public void A_valid_vector_of_the_specification_reads_and_writes_the_same(string name, string text, string prefix, Guid value)
    {
        TypeId.TryParse(text, out var readPrefix, out var read).ShouldBeTrue(name);
        readPrefix.ToString().ShouldBe(prefix);
        read.ShouldBe(value);
        TypeId.TryParse(text, prefix, out read).ShouldBeTrue(name);
        read.ShouldBe(value);
        TypeId.Format(prefix, value).ShouldBe(text);
    }

    [Theory, MemberData(nameof(Invalid))]
    public void An_invalid_vector_of_the_specification_is_refused(string name, string text)
    {
        TypeId.TryParse(text, out _, out _).ShouldBeFalse(name);
        TypeId.TryParse(text, "prefix", out _).ShouldBeFalse(name);
    }

    [Theory]
    [InlineData("")]
    [InlineData("order")]
    [InlineData("purchase_order")]
    public void Every_uuid_survives_its_text(string prefix) =>
        Prop.ForAll<Guid>(value => TypeId.TryParse(TypeId.Format(prefix, value), prefix, out var read) && read == value).QuickCheckThrowOnFailure();

    [Fact]
    public void One_uuid_has_one_text() =>
        Prop.ForAll<Guid, byte, char>((value, position, other) =>
        {
            var text = TypeId.Format("order", value).ToCharArray();
            var changed = text[position % text.Length] != other;
            text[position % text.Length] = other;
            return !changed || !TypeId.TryParse(text, "order", out var read) || read != value;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Utf8_is_the_same_text() =>
        Prop.ForAll<Guid>(value =>
        {
            var bytes = new byte[64];
            return TypeId.TryFormat("order", value, bytes, out var written) && Encoding.UTF8.GetString(bytes, 0, written) == TypeId.Format("order", value);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_destination_that_is_too_short_is_refused()
    {
        TypeId.TryFormat("order", Guid.Empty, new char[31], out var written).ShouldBeFalse();
        written.ShouldBe(0);
        TypeId.TryFormat("order", Guid.Empty, new char[32], out written).ShouldBeTrue();
        written.ShouldBe(32);
    }

    public static TheoryData<string, string, string, Guid> Valid()
    {
        var data = new TheoryData<string, string, string, Guid>();
        foreach (var vector in Vectors("valid"))
            data.Add(vector["name"], vector["typeid"], vector["prefix"], Guid.Parse(vector["uuid"]));
        return data;
    }

    public static TheoryData<string, string> Invalid()
    {
        var data = new TheoryData<string, string>();
        foreach (var vector in Vectors("invalid"))
            data.Add(vector["name"], vector["typeid"]);
        return data;
    }

    private static List<Dictionary<string, string>> Vectors(string kind)
    {
        using var file = typeof(TypeIdTests).Assembly.GetManifestResourceStream("typeid-vectors.json")!;
        using var json = JsonDocument.Parse(file);
        return json.RootElement.GetProperty(kind).Deserialize<List<Dictionary<string, string>>>()!;
    }
}
