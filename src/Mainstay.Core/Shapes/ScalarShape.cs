using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>
/// A single value: one spelling in JSON and text, checked bounds, and its description for documents. Reading is strict: no numbers from
/// strings, no second spelling of an id, no time without offset, nothing that the database could not store.
/// </summary>
internal abstract class ScalarShape(Type type, string jsonType, string? format, string expected) : Shape(type)
{
    public const string Supported = "string, bool, short, int, long, decimal, double, float, Guid, Id<T>, enum, DateTimeOffset, DateOnly, TimeOnly, TimeSpan, byte[], JsonElement";

    private const NumberStyles FloatText = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    /// <summary>The JSON Schema type: string, integer, number, boolean; empty for any JSON.</summary>
    public string JsonType { get; } = jsonType;

    /// <summary>The JSON Schema format, or null.</summary>
    public string? Format { get; } = format;

    /// <summary>What a caller must send, in words.</summary>
    public string Expected { get; } = expected;

    /// <summary>Bounds of the CLR type for numbers; null where the type has none to speak of.</summary>
    public (decimal Least, decimal Most)? Bounds { get; init; }

    /// <summary>Whether values have an order that filters may use (greater, less).</summary>
    public bool IsOrdered { get; init; }

    /// <summary>The most characters a text form can have, where the type bounds it.</summary>
    public int? TextMost { get; init; }

    /// <summary>Reads the text form used in paths and query strings.</summary>
    public abstract bool TryParse(string text, out object? value);

    /// <summary>Writes the text form that <see cref="TryParse"/> reads.</summary>
    public abstract string Text(object value);

    public static string NameOf(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        _ => "null",
    };

    public static ScalarShape? TryCreate(Type type)
    {
        if (type == typeof(string))
            return new TextShape();
        if (type == typeof(bool))
            return new Scalar<bool>("boolean", null, "true or false", (JsonElement json, out bool value) => (value = json.ValueKind == JsonValueKind.True) || json.ValueKind == JsonValueKind.False,
                (string text, out bool value) => (value = text == "true") || text == "false", (writer, value) => writer.WriteBooleanValue(value), value => value ? "true" : "false");
        if (type == typeof(short))
            return new Scalar<short>("integer", "int32", "an integer", (JsonElement json, out short value) => Is(json, JsonValueKind.Number, out value) && JsonInteger.TryGet(json, out value),
                (string text, out short value) => short.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value), (writer, value) => writer.WriteNumberValue(value), Invariant)
            { IsOrdered = true, Bounds = (short.MinValue, short.MaxValue) };
        if (type == typeof(int))
            return new Scalar<int>("integer", "int32", "an integer", (JsonElement json, out int value) => Is(json, JsonValueKind.Number, out value) && JsonInteger.TryGet(json, out value),
                (string text, out int value) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value), (writer, value) => writer.WriteNumberValue(value), Invariant)
            { IsOrdered = true, Bounds = (int.MinValue, int.MaxValue) };
        if (type == typeof(long))
            return new Scalar<long>("integer", "int64", "an integer", (JsonElement json, out long value) => Is(json, JsonValueKind.Number, out value) && JsonInteger.TryGet(json, out value),
                (string text, out long value) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value), (writer, value) => writer.WriteNumberValue(value), Invariant)
            { IsOrdered = true, Bounds = (long.MinValue, long.MaxValue) };
        if (type == typeof(decimal))
            return new Scalar<decimal>("number", "decimal", "a decimal number of at most 28 digits",
                (JsonElement json, out decimal value) => Is(json, JsonValueKind.Number, out value) && ExactDecimal.TryParse(json.GetRawText(), out value),
                (string text, out decimal value) => ExactDecimal.TryParse(text, out value), (writer, value) => writer.WriteNumberValue(value), Invariant)
            { IsOrdered = true, Bounds = (-79228162514264337593543950335m, 79228162514264337593543950335m) };
        if (type == typeof(double))
            return new Scalar<double>("number", "double", "a finite number", (JsonElement json, out double value) => Is(json, JsonValueKind.Number, out value) && json.TryGetDouble(out value) && double.IsFinite(value),
                (string text, out double value) => double.TryParse(text, FloatText, CultureInfo.InvariantCulture, out value) && double.IsFinite(value),
                (writer, value) => writer.WriteNumberValue(value), value => value.ToString("R", CultureInfo.InvariantCulture)) { IsOrdered = true };
        if (type == typeof(float))
            return new Scalar<float>("number", "float", "a finite number", (JsonElement json, out float value) => Is(json, JsonValueKind.Number, out value) && json.TryGetSingle(out value) && float.IsFinite(value),
                (string text, out float value) => float.TryParse(text, FloatText, CultureInfo.InvariantCulture, out value) && float.IsFinite(value),
                (writer, value) => writer.WriteNumberValue(value), value => value.ToString("R", CultureInfo.InvariantCulture)) { IsOrdered = true };
        if (type == typeof(Guid))
            return FromText<Guid>("uuid", "a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057, lower case",
                (string text, out Guid value) => Guid.TryParseExact(text, "D", out value) && !text.AsSpan().ContainsAnyInRange('A', 'F'), value => value.ToString("D"), 36);
        if (type == typeof(DateTimeOffset))
            return FromText<DateTimeOffset>("date-time", "a time with offset such as 2026-01-31T09:30:00Z", TryTime, value => value.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture), 40, ordered: true);
        if (type == typeof(DateOnly))
            return FromText<DateOnly>("date", "a date such as 2026-01-31", (string text, out DateOnly value) => DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out value),
                value => value.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), 10, ordered: true);
        if (type == typeof(TimeOnly))
            return FromText<TimeOnly>("time", "a time of day such as 09:30:00",
                (string text, out TimeOnly value) => TimeOnly.TryParseExact(text, ["HH:mm:ss", "HH:mm:ss.FFFFFF"], CultureInfo.InvariantCulture, DateTimeStyles.None, out value),
                value => value.ToString("HH:mm:ss.FFFFFF", CultureInfo.InvariantCulture), 15, ordered: true);
        if (type == typeof(TimeSpan))
            return FromText<TimeSpan>("duration", "a duration such as PT1H30M", TryDuration, System.Xml.XmlConvert.ToString, 40, ordered: true);
        if (type == typeof(byte[]))
            return FromText<byte[]>("byte", "base64 text", TryBase64, Convert.ToBase64String, null);
        if (type == typeof(JsonElement))
            return new DocumentShape();
        if (type.IsEnum && type.IsDefined(typeof(FlagsAttribute), false))
            throw new ConfigurationException("MST1003", $"{type.Name} is a set of flags, which has no single name to send or store. Use a boolean for each flag, or an enum of which one member holds.");
        if (type.IsEnum)
            return (ScalarShape)Activator.CreateInstance(typeof(EnumShape<>).MakeGenericType(type))!;
        // Asked before the shape exists: thrown by its static constructor, the mistake would arrive wrapped and without its code.
        if (IId.OwnerOf(type) is { } owner && IdPrefixAttribute.Of(owner) is { Prefix: null, Mistake: var mistake })
            throw new ConfigurationException("MST1201", mistake!);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Id<>))
            return (ScalarShape)Activator.CreateInstance(typeof(IdShape<>).MakeGenericType(type.GetGenericArguments()))!;
        return null;
    }

    internal delegate bool FromJson<T>(JsonElement json, out T value);

    internal delegate bool FromString<T>(string text, out T value);

    private static Scalar<T> FromText<T>(string format, string expected, FromString<T> parse, Func<T, string> text, int? most, bool ordered = false) where T : notnull =>
        new("string", format, expected, (JsonElement json, out T value) => Is(json, JsonValueKind.String, out value) && StrictText.TryGet(json, out var content) && parse(content, out value),
            parse, (writer, value) => writer.WriteStringValue(text(value)), text)
        { TextMost = most, IsOrdered = ordered };

    private static bool Is<T>(JsonElement json, JsonValueKind kind, out T value)
    {
        value = default!;
        return json.ValueKind == kind;
    }

    private static string Invariant<T>(T value) where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);

    /// <summary>RFC 3339 with an offset; brought to UTC and to the microseconds that PostgreSQL stores, so that a value read back is the value sent.</summary>
    private static bool TryTime(string text, out DateTimeOffset value)
    {
        value = default;
        if (text.Length is < 20 or > 35 || text[10] != 'T' || !(text[^1] == 'Z' || text[^6] is '+' or '-'))
            return false;
        if (!DateTimeOffset.TryParseExact(text, ["yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"], CultureInfo.InvariantCulture, DateTimeStyles.None, out value))
            return false;
        value = value.ToUniversalTime();
        value = value.AddTicks(-(value.Ticks % TimeSpan.TicksPerMicrosecond));
        return true;
    }

    private static bool TryDuration(string text, out TimeSpan value)
    {
        value = default;
        // Years and months have no fixed length, and a guess at one would be stored as if it had been sent.
        if (text.Length is 0 or > 40 || text.AsSpan(text[0] == '-' ? 1 : 0) is not ['P', ..] || text.AsSpan(0, text.IndexOf('T', StringComparison.Ordinal) is var time and >= 0 ? time : text.Length).ContainsAny('Y', 'M'))
            return false;
        try
        {
            value = System.Xml.XmlConvert.ToTimeSpan(text);
            // To the microseconds that PostgreSQL stores, so that a value read back is the value sent.
            value = TimeSpan.FromTicks(value.Ticks - (value.Ticks % TimeSpan.TicksPerMicrosecond));
            return true;
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            return false;
        }
    }

    private static bool TryBase64(string text, out byte[] value)
    {
        var buffer = new byte[text.Length / 4 * 3];
        var valid = Convert.TryFromBase64String(text, buffer, out var length) && !text.AsSpan().ContainsAny(" \t\r\n");
        value = valid ? buffer[..length] : [];
        return valid && Convert.ToBase64String(value) == text; // one spelling: the bits that fill up the last letter are zero
    }
}

/// <summary>A scalar given by its conversions.</summary>
internal sealed class Scalar<T>(
    string jsonType, string? format, string expected, ScalarShape.FromJson<T> fromJson, ScalarShape.FromString<T> fromText, Action<Utf8JsonWriter, T> write, Func<T, string> text)
    : ScalarShape(typeof(T), jsonType, format, expected) where T : notnull
{
    public override void Write(Utf8JsonWriter writer, object value) => write(writer, (T)value);

    public override object? Read(JsonElement json, JsonPath path, InputFaults faults)
    {
        if (fromJson(json, out var value))
            return value;
        faults.Add(path, IsOutOfRange(json) ? "range" : "type", $"Expected {Expected}, found {NameOf(json.ValueKind)}{Shown(json)}.");
        return null;
    }

    public override bool TryParse(string text, out object? value)
    {
        var valid = fromText(text, out var typed);
        value = valid ? typed : null;
        return valid;
    }

    public override string Text(object value) => text((T)value);

    /// <summary>A number of the right kind that the type cannot hold. A fraction is no integer, so that is another kind.</summary>
    private bool IsOutOfRange(JsonElement json) => json.ValueKind == JsonValueKind.Number
        && (JsonType == "number" || (JsonType == "integer" && JsonInteger.IsIntegral(JsonMarshal.GetRawUtf8Value(json))));

    private static string Shown(JsonElement json) => json.ValueKind == JsonValueKind.Number && json.GetRawText() is { Length: <= 40 } raw ? $" {raw}" : "";
}

/// <summary>Text that PostgreSQL can hold: valid Unicode without NUL. Its length is the member's matter.</summary>
internal sealed class TextShape() : ScalarShape(typeof(string), "string", null, "a string")
{
    public override void Write(Utf8JsonWriter writer, object value) => writer.WriteStringValue((string)value);

    public override object? Read(JsonElement json, JsonPath path, InputFaults faults)
    {
        if (json.ValueKind != JsonValueKind.String)
            faults.Add(path, "type", $"Expected a string, found {NameOf(json.ValueKind)}.");
        else if (StrictText.TryGet(json, out var text) || (faults.IsStored && text.Length > 0))
            return text;
        else
            faults.Add(path, "text", "Expected Unicode text without U+0000 and without unpaired surrogates.");
        return null;
    }

    public override bool TryParse(string text, out object? value)
    {
        value = text;
        return StrictText.IsValid(text);
    }

    public override string Text(object value) => (string)value;
}

/// <summary>An enum, sent and stored as the camelCase name of its member.</summary>
internal sealed class EnumShape<T>() : ScalarShape(typeof(T), "string", null, "one of " + string.Join(", ", EnumNames<T>.All)) where T : struct, Enum
{
    public override void Write(Utf8JsonWriter writer, object value) => writer.WriteStringValue(EnumNames<T>.Of((T)value));

    public override object? Read(JsonElement json, JsonPath path, InputFaults faults)
    {
        var text = "";
        if (json.ValueKind == JsonValueKind.String && StrictText.TryGet(json, out text) && EnumNames<T>.TryParse(text, out var value))
            return value;
        faults.Add(path, "enum", $"Expected {Expected}.{(text.Length is > 0 and < 64 ? Suggestion.For(text, EnumNames<T>.All) : "")}");
        return null;
    }

    public override bool TryParse(string text, out object? value)
    {
        var valid = EnumNames<T>.TryParse(text, out var typed);
        value = valid ? typed : null;
        return valid;
    }

    public override string Text(object value) => EnumNames<T>.Of((T)value);
}

/// <summary>The stored and sent names of an enum's members.</summary>
internal static class EnumNames<T> where T : struct, Enum
{
    private static readonly T[] values = Enum.GetValues<T>();

    public static IReadOnlyList<string> All { get; } = [.. values.Select(value => JsonNamingPolicy.CamelCase.ConvertName(value.ToString()))];

    public static string Of(T value) =>
        Array.IndexOf(values, value) is var index and >= 0 ? All[index] : throw new ArgumentOutOfRangeException(nameof(value), value, $"{typeof(T).Name} has no such member.");

    public static bool TryParse(string text, out T value)
    {
        for (var i = 0; i < values.Length; i++)
            if (All[i] == text)
            {
                value = values[i];
                return true;
            }
        value = default;
        return false;
    }
}

/// <summary>A typed id, sent as TypeID text and stored as uuid.</summary>
internal sealed class IdShape<T>() : ScalarShape(typeof(Id<T>), "string", "typeid", $"an id such as {Example}")
{
    /// <summary>A well-formed id of this type, for documents and messages.</summary>
    public static string Example { get; } = Id<T>.From(new Guid("01890a5d-ac96-774b-bcce-b302099a8057")).ToString();

    public override void Write(Utf8JsonWriter writer, object value)
    {
        Span<byte> text = stackalloc byte[TypeId.LengthMax];
        ((Id<T>)value).TryFormat(text, out var length, default, null);
        writer.WriteStringValue(text[..length]);
    }

    public override object? Read(JsonElement json, JsonPath path, InputFaults faults)
    {
        if (json.ValueKind == JsonValueKind.String && StrictText.TryGet(json, out var text) && Id<T>.TryParse(text, out var id))
            return id;
        faults.Add(path, "id", $"Expected {Expected}.");
        return null;
    }

    public override bool TryParse(string text, out object? value)
    {
        var valid = Id<T>.TryParse(text, out var id);
        value = valid ? id : null;
        return valid;
    }

    public override string Text(object value) => value.ToString()!;
}

/// <summary>Any JSON document, kept as it is. Its texts must still be storable, and no object may name a member twice.</summary>
internal sealed class DocumentShape() : ScalarShape(typeof(JsonElement), "", null, "a JSON value")
{
    /// <summary>Bounds of a number's spelling. PostgreSQL writes an exponent out in digits and has room for some; no client's numbers go beyond those of a double.</summary>
    private const int ExponentMost = 308;
    private const int NumberLengthMost = 1000;

    public override void Write(Utf8JsonWriter writer, object value) => ((JsonElement)value).WriteTo(writer);

    public override object? Read(JsonElement json, JsonPath path, InputFaults faults)
    {
        var before = faults.Count;
        Check(json, path, faults);
        return faults.Count == before ? json.Clone() : null;
    }

    public override bool TryParse(string text, out object? value)
    {
        value = null;
        return false;
    }

    public override string Text(object value) => ((JsonElement)value).GetRawText();

    private static bool IsStorable(string number)
    {
        var exponent = number.AsSpan().IndexOfAny('e', 'E');
        return number.Length <= NumberLengthMost
            && (exponent < 0 || (int.TryParse(number.AsSpan(exponent + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var power) && Math.Abs((long)power) <= ExponentMost));
    }

    /// <summary>Finds what PostgreSQL could not store, or would store as something else.</summary>
    public static void Check(JsonElement json, JsonPath path, InputFaults faults)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.String when !StrictText.TryGet(json, out _):
                faults.Add(path, "text", "Expected Unicode text without U+0000 and without unpaired surrogates.");
                break;
            case JsonValueKind.Number when !IsStorable(json.GetRawText()):
                faults.Add(path, "range", $"Expected a number of at most {NumberLengthMost} characters with an exponent from -{ExponentMost} to {ExponentMost}.");
                break;
            case JsonValueKind.Array:
                var index = 0;
                foreach (var item in json.EnumerateArray())
                    Check(item, path[index++], faults);
                break;
            case JsonValueKind.Object:
                var seen = new HashSet<string>(StringComparer.Ordinal);
                foreach (var member in json.EnumerateObject())
                {
                    if (!StrictText.TryGetName(member, out var name))
                        faults.Add(path, "text", "A member name is not valid Unicode text.");
                    else if (!seen.Add(name))
                        faults.Add(path[name], "duplicate", "The member is given twice.");
                    else
                        Check(member.Value, path[name], faults);
                }
                break;
        }
    }
}
