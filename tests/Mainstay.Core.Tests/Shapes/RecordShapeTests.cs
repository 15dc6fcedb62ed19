using System.Buffers;
using System.ComponentModel.DataAnnotations;
using System.Text;
using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay.Tests.Shapes;

public sealed class RecordShapeTests
{
    private enum Size { Small, ExtraLarge }

    private sealed record Line([Range(1, 10)] int Quantity, [MaxLength(5)] string Sku);

    private sealed record Everything(
        [MaxLength(10), MinLength(2)] string Name, int Count, long Big, decimal Price, double Ratio, bool Flag, Size Size, DateTimeOffset At, DateOnly Day, TimeOnly Time, TimeSpan Span,
        Guid Key, byte[] Bytes, JsonElement Any, IReadOnlyList<Line> Lines, string? Note = null, Size Default = Size.ExtraLarge);

    private sealed record Node(string Name, Node? Next = null);

    private const string Valid = """
        {"name":"Ada","count":-1,"big":9007199254740993,"price":4.50,"ratio":0.1,"flag":true,"size":"extraLarge","at":"2026-01-31T10:30:00.1234567+01:00","day":"2026-01-31",
         "time":"09:30:00","span":"PT1H30M","key":"01890a5d-ac96-774b-bcce-b302099a8057","bytes":"AAE=","any":{"b":1,"a":[null]},"lines":[{"quantity":1,"sku":"x"}]}
        """;

    [Fact]
    public void A_value_is_read_and_written_as_the_same_JSON()
    {
        var (value, faults) = Read<Everything>(Valid);

        faults.ShouldBeEmpty();
        var again = Write(value!);
        Write(Read<Everything>(again).Value!).ShouldBe(again);
        again.ShouldContain("\"price\":4.50");
        again.ShouldContain("\"at\":\"2026-01-31T09:30:00.123456Z\"");
        again.ShouldContain("\"default\":\"extraLarge\"");
    }

    [Theory]
    [InlineData("\"name\":\"Ada\"", "\"name\":null", "#/name", "required")]
    [InlineData("\"name\":\"Ada\"", "\"name\":\"A\"", "#/name", "minLength")]
    [InlineData("\"name\":\"Ada\"", "\"name\":\"Ada Lovelace\"", "#/name", "maxLength")]
    [InlineData("\"name\":\"Ada\"", "\"name\":\"A\\u0000\"", "#/name", "text")]
    [InlineData("\"name\":\"Ada\"", "\"name\":\"\\ud800x\"", "#/name", "text")]
    [InlineData("\"name\":\"Ada\"", "\"nam\":\"Ada\",\"name\":\"Ada\"", "#/nam", "unknown")]
    [InlineData("\"name\":\"Ada\"", "\"name\":\"Ada\",\"name\":\"Ada\"", "#/name", "duplicate")]
    [InlineData("\"name\":\"Ada\",", "", "#/name", "required")]
    [InlineData("\"name\":\"Ada\"", "\"name\":\"Ada\",\"a~/b\":1", "#/a~0~1b", "unknown")]
    [InlineData("-1", "1.5", "#/count", "type")]
    [InlineData("-1", "2147483648", "#/count", "range")]
    [InlineData("-1", "\"1\"", "#/count", "type")]
    [InlineData("4.50", "1e999", "#/price", "range")]
    [InlineData("0.1", "1e400", "#/ratio", "range")]
    [InlineData("true", "\"true\"", "#/flag", "type")]
    [InlineData("\"extraLarge\"", "\"ExtraLarge\"", "#/size", "enum")]
    [InlineData("\"extraLarge\"", "1", "#/size", "enum")]
    [InlineData("+01:00", "", "#/at", "type")]
    [InlineData("2026-01-31\"", "2026-02-30\"", "#/day", "type")]
    [InlineData("01890a5d-ac96", "01890A5D-AC96", "#/key", "type")]
    [InlineData("AAE=", "AAE", "#/bytes", "type")]
    [InlineData("AAE=", "AAF=", "#/bytes", "type")]
    [InlineData("PT1H30M", "P1M", "#/span", "type")]
    [InlineData("PT1H30M", "P1Y2M", "#/span", "type")]
    [InlineData("{\"b\":1", "{\"b\":1,\"b\":2", "#/any/b", "duplicate")]
    [InlineData("\"quantity\":1", "\"quantity\":11", "#/lines/0/quantity", "range")]
    [InlineData("\"sku\":\"x\"", "\"sku\":\"xxxxxx\"", "#/lines/0/sku", "maxLength")]
    [InlineData("[{", "[null,{", "#/lines/0", "required")]
    public void One_fault_is_reported_where_it_is(string part, string replaced, string pointer, string code)
    {
        var at = Valid.IndexOf(part, StringComparison.Ordinal);
        var (_, faults) = Read<Everything>(Valid[..at] + replaced + Valid[(at + part.Length)..]);

        faults.ShouldHaveSingleItem();
        (faults[0].Pointer, faults[0].Code).ShouldBe((pointer, code));
    }

    [Fact]
    public void All_faults_are_reported_at_once()
    {
        var (value, faults) = Read<Line>("""{"quantity":0,"sku":"too long","colour":"red"}""");

        value.ShouldBeNull();
        faults.Select(fault => fault.Pointer).ShouldBe(["#/quantity", "#/sku", "#/colour"]);
    }

    [Fact]
    public void Length_is_counted_in_code_points_as_the_database_counts() => Read<Line>("""{"quantity":1,"sku":"😀😀😀😀😀"}""").Faults.ShouldBeEmpty();

    [Fact]
    public void A_record_may_contain_itself() => Read<Node>("""{"name":"a","next":{"name":"b"}}""").Value!.Next!.Name.ShouldBe("b");

    [Theory]
    [InlineData(typeof(object))]
    [InlineData(typeof(Action))]
    [InlineData(typeof(IDisposable))]
    public void A_type_without_a_form_is_refused_when_it_is_declared(Type type) => Should.Throw<ConfigurationException>(() => Shape.Of(type)).Code.ShouldBe("MST1003");

    private static (T? Value, IReadOnlyList<FieldError> Faults) Read<T>(string json) where T : class
    {
        using var document = JsonDocument.Parse(json);
        var faults = new InputFaults();
        return ((T?)Shape.Of(typeof(T)).Read(document.RootElement, JsonPath.Root, faults), faults.Errors);
    }

    private static string Write(object value)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, JsonFormat.Writer))
            Shape.Of(value.GetType()).Write(writer, value);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
