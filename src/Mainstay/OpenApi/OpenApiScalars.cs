using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>Whose promise a schema describes, and with it, which bounds are kept.</summary>
internal enum Direction
{
    /// <summary>What callers send: every declared bound is checked.</summary>
    Input,

    /// <summary>A stored row: lengths and ranges are constraints of the table.</summary>
    Row,

    /// <summary>What a handler returns: nobody checks it, so only the bounds of its types and those the handler's author declared are promised.</summary>
    Result,
}

/// <summary>Single values as JSON Schema: the same facts by which <see cref="ScalarShape"/> reads and <see cref="Member"/> checks.</summary>
internal static class OpenApiScalars
{
    /// <summary>Longest header value: the server's limit for all headers together.</summary>
    public const int HeaderTextMost = 32768;

    /// <summary>A tag as <see cref="ETags"/> makes them.</summary>
    public const string ETagExample = "\"v7-3fa9c10e\"";

    /// <summary>Texts are what PostgreSQL can store: anything without U+0000. Every interface refuses the rest.</summary>
    public const string AnyText = @"^[^\u0000]*$";

    /// <summary>What one header field can say.</summary>
    public const string HeaderText = @"^[\t -~]*$";

    // An answer as a whole is bounded, and no text of it is longer. A smaller bound exists where the record of a result declares one.
    private const int LengthOfResult = OperationDefaults.AnswerBytesMost;

    private const string Time = @"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,7})?(Z|[+-][0-9]{2}:[0-9]{2})$";
    private const string TimeOfDay = @"^[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$";
    private const string Duration = @"^-?P(?=[0-9T])([0-9]+Y)?([0-9]+M)?([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?$";

    /// <summary>A value by its type alone, for filters and elements of lists.</summary>
    /// <param name="scalar">The type.</param>
    /// <param name="textMost">The most characters of a text that declares no bound itself.</param>
    public static JsonObject OfType(ScalarShape scalar, int textMost) => scalar.Type switch
    {
        _ when scalar is DocumentShape => new JsonObject { ["description"] = "Any JSON value but null.", ["not"] = new JsonObject { ["type"] = "null" } },
        var type when type == typeof(string) => new JsonObject { ["type"] = "string", ["pattern"] = AnyText, ["maxLength"] = textMost },
        var type when type == typeof(bool) => new JsonObject { ["type"] = "boolean" },
        var type when type == typeof(byte[]) => new JsonObject { ["type"] = "string", ["contentEncoding"] = "base64", ["pattern"] = Base64(null), ["maxLength"] = textMost },
        var type when type == typeof(DateTimeOffset) => Text("date-time", Time, 20, 33),
        var type when type == typeof(DateOnly) => Text("date", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", 10, 10),
        // JSON Schema's "time" has an offset, a time of day has none.
        var type when type == typeof(TimeOnly) => Text("time-local", TimeOfDay, 8, 15),
        // ISO 8601 with fractions of seconds, which JSON Schema's "duration" does not have.
        var type when type == typeof(TimeSpan) => Text("timespan", Duration, 3, 40),
        var type when type == typeof(Guid) => Text("uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", 36, 36),
        { IsEnum: true } type => new JsonObject { ["type"] = "string", ["enum"] = new JsonArray([.. Enum.GetValues(type).Cast<object>().Select(value => JsonValue.Create(scalar.Text(value)))]) },
        { IsGenericType: true } type when type.GetGenericTypeDefinition() == typeof(Id<>) => Id(type.GetGenericArguments()[0]),
        _ => Number(scalar),
    };

    /// <summary>A member's value with its bounds. Null, defaults and descriptions are the caller's matter.</summary>
    public static JsonObject OfMember(Member member, Direction direction)
    {
        var scalar = member.Scalar!;
        var schema = OfType(scalar, direction == Direction.Result ? LengthOfResult : Member.DefaultTextMost);
        if (scalar is TextShape || scalar.Type == typeof(byte[]))
            AddLengths(schema, member, direction);
        if (schema["minimum"] is not null)
            AddRange(schema, member);
        if (direction == Direction.Input)
            AddRules(schema, member);
        return schema;
    }

    /// <summary>The most elements of a list.</summary>
    public static int ElementsMost(Member member, Direction direction) => direction == Direction.Result && !HasDeclaredLength(member) ? OperationDefaults.AnswerElementsMost : member.LengthMost ?? ListShape.DefaultMost;

    /// <summary>The same schema with null as one more value.</summary>
    public static JsonObject OrNull(JsonObject schema)
    {
        if (schema["$ref"] is not null)
            return new JsonObject { ["anyOf"] = new JsonArray(schema, new JsonObject { ["type"] = "null" }) };
        if (schema["type"] is not JsonValue type)
            return new JsonObject { ["description"] = "Any JSON value." };
        schema["type"] = new JsonArray(type.GetValue<string>(), "null");
        (schema["enum"] as JsonArray)?.Add(null);
        return schema;
    }

    /// <summary>A member's default as JSON.</summary>
    public static JsonNode? DefaultOf(Member member)
    {
        if (member.Default is null)
            return null;
        using var json = JsonScratch.Rent();
        member.Shape.Write(json.Writer, member.Default);
        return JsonNode.Parse(json.Written);
    }

    private static JsonObject Text(string format, string pattern, int least, int most) => new()
    {
        ["type"] = "string",
        ["format"] = format,
        ["pattern"] = pattern,
        ["minLength"] = least,
        ["maxLength"] = most,
    };

    private static JsonObject Id(Type target)
    {
        var prefix = IdPrefixAttribute.Of(target).Prefix!;
        var schema = Text("typeid", $"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", TypeId.LengthWith(prefix), TypeId.LengthWith(prefix));
        schema["examples"] = new JsonArray(TypeId.Format(prefix, new Guid("01890a5d-ac96-774b-bcce-b302099a8057")));
        return schema;
    }

    private static JsonObject Number(ScalarShape scalar)
    {
        var schema = new JsonObject { ["type"] = scalar.JsonType, ["format"] = scalar.Format };
        (schema["minimum"], schema["maximum"]) = scalar switch
        {
            { Bounds: { } bounds } => (JsonValue.Create(bounds.Least), JsonValue.Create(bounds.Most)),
            { Type: var type } when type == typeof(float) => (JsonValue.Create(float.MinValue), JsonValue.Create(float.MaxValue)),
            _ => (JsonValue.Create(double.MinValue), JsonValue.Create(double.MaxValue)),
        };
        return schema;
    }

    private static void AddLengths(JsonObject schema, Member member, Direction direction)
    {
        var inText = schema["contentEncoding"] is null ? 1.0 : 4 / 3.0;
        if (direction != Direction.Result || HasDeclaredLength(member))
            schema["maxLength"] = (int)Math.Min(LengthOfResult, inText == 1.0 ? member.LengthMost!.Value : 4 * Math.Ceiling(member.LengthMost!.Value / 3.0));
        if (schema["maxLength"] is not null && inText != 1.0)
            schema["pattern"] = Base64(member.LengthMost);
        if (member.LengthLeast is > 0 and var least)
            schema["minLength"] = inText == 1.0 ? least : 4 * (int)Math.Ceiling(least / 3.0);
    }

    /// <summary>
    /// Base64 of at most so many bytes. Four characters hold up to three bytes, so a bound in characters alone would admit up to two more. Not for
    /// thousands of bytes: some engines count no further than 1,000.
    /// </summary>
    private static string Base64(int? bytesMost)
    {
        const string whole = "(?:[A-Za-z0-9+/]{4})", two = "[A-Za-z0-9+/]{2}==", three = "[A-Za-z0-9+/]{3}=";
        return (bytesMost / 3, bytesMost % 3) switch
        {
            (null or > 1000, _) => $"^{whole}*(?:{two}|{three})?$",
            (0, 0) => "^$",
            (0, 1) => $"^(?:{two})?$",
            (var full, 0) => $"^(?:{whole}{{0,{full - 1}}}(?:{two}|{three})?|{whole}{{{full}}})$",
            (var full, 1) => $"^(?:{whole}{{0,{full - 1}}}(?:{two}|{three})?|{whole}{{{full}}}(?:{two})?)$",
            (var full, _) => $"^{whole}{{0,{full}}}(?:{two}|{three})?$",
        };
    }

    private static bool HasDeclaredLength(Member member) => member.Annotations.Any(rule => rule is MaxLengthAttribute { Length: > 0 } or StringLengthAttribute or LengthAttribute);

    private static void AddRange(JsonObject schema, Member member)
    {
        var (least, most, leastExclusive, mostExclusive) = member.Range;
        if (least is { } from && (member.Scalar!.Bounds is not { } bounds || from >= bounds.Least))
        {
            schema.Remove("minimum");
            schema[leastExclusive ? "exclusiveMinimum" : "minimum"] = from;
        }
        if (most is { } to && (member.Scalar!.Bounds is not { } limits || to <= limits.Most))
        {
            schema.Remove("maximum");
            schema[mostExclusive ? "exclusiveMaximum" : "maximum"] = to;
        }
    }

    private static void AddRules(JsonObject schema, Member member)
    {
        if (member.Scalar is TextShape && member.Pattern is { } pattern)
            schema["pattern"] = Whole(pattern, allowsEmpty: member.LengthLeast is null or 0);
        foreach (var rule in member.Annotations)
            switch (rule)
            {
                case EmailAddressAttribute:
                    schema["format"] = "email";
                    break;
                case UrlAttribute:
                    schema["format"] = "uri";
                    break;
                case AllowedValuesAttribute allowed when member.Scalar is { Type.IsEnum: false } scalar:
                    schema["enum"] = new JsonArray([.. allowed.Values.Where(value => value is not null).Select(value => JsonSerializer.SerializeToNode(value, scalar.Type))]);
                    break;
            }
    }

    /// <summary>[RegularExpression] matches the whole text, JSON Schema any part of it; and it lets an empty text pass.</summary>
    private static string Whole(string pattern, bool allowsEmpty)
    {
        var isAnchored = pattern.StartsWith('^') && pattern.EndsWith('$') && !pattern.EndsWith(@"\$", StringComparison.Ordinal) && !pattern.Contains('|', StringComparison.Ordinal);
        var inner = isAnchored ? pattern[1..^1] : pattern;
        return allowsEmpty ? $"^(?:{inner})?$" : isAnchored ? pattern : $"^(?:{inner})$";
    }
}
