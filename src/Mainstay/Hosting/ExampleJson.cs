using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>Values that a declaration accepts: for the banner's commands and the documentation's examples. The same for the same declaration.</summary>
internal static class ExampleJson
{
    /// <summary>A JSON object with these members.</summary>
    /// <param name="members">What it has.</param>
    /// <param name="idOf">An id that exists, for a row type; null to use a made-up one.</param>
    public static string Of(IEnumerable<Member> members, Func<Type, Guid?>? idOf = null)
    {
        using var json = JsonScratch.Rent();
        var writer = json.Writer;
        writer.WriteStartObject();
        foreach (var member in members)
        {
            writer.WritePropertyName(member.Name);
            Write(writer, member, idOf);
        }
        writer.WriteEndObject();
        return json.ToString();
    }

    public static void Write(Utf8JsonWriter writer, Member member, Func<Type, Guid?>? idOf = null)
    {
        switch (member.Shape)
        {
            case TextShape:
                writer.WriteStringValue(Text(member));
                break;
            case ListShape { Element: RecordShape element }:
                writer.WriteStartArray();
                writer.WriteRawValue(Of(element.Inputs, idOf), skipInputValidation: true);
                writer.WriteEndArray();
                break;
            case ListShape:
                writer.WriteRawValue("[]");
                break;
            case RecordShape record:
                writer.WriteRawValue(Of(record.Inputs, idOf), skipInputValidation: true);
                break;
            case ScalarShape { JsonType: "integer" or "number" } when member.Range is { Least: { } least } range:
                writer.WriteNumberValue(range.LeastExclusive ? least + 1 : least);
                break;
            case ScalarShape scalar:
                WriteScalar(writer, scalar, idOf);
                break;
        }
    }

    private static void WriteScalar(Utf8JsonWriter writer, ScalarShape scalar, Func<Type, Guid?>? idOf)
    {
        var type = scalar.Type;
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Id<>))
            scalar.Write(writer, IdFactory.Make(type, idOf?.Invoke(type.GetGenericArguments()[0]) ?? new Guid("01890a5d-ac96-774b-bcce-b302099a8057")));
        else if (type.IsEnum)
            scalar.Write(writer, Enum.GetValues(type).GetValue(0)!);
        else if (type == typeof(JsonElement))
            writer.WriteRawValue("{}");
        else if (type == typeof(byte[]))
            writer.WriteStringValue("AA==");
        else if (type == typeof(Guid))
            writer.WriteStringValue("01890a5d-ac96-774b-bcce-b302099a8057");
        else if (type == typeof(DateTimeOffset))
            writer.WriteStringValue("2026-01-31T09:30:00Z");
        else if (type == typeof(DateOnly))
            writer.WriteStringValue("2026-01-31");
        else if (type == typeof(bool))
            writer.WriteBooleanValue(true);
        else if (type == typeof(TimeOnly) || type == typeof(TimeSpan))
            scalar.Write(writer, type == typeof(TimeOnly) ? new TimeOnly(9, 30) : TimeSpan.FromMinutes(90));
        else
            writer.WriteNumberValue(1);
    }

    private static string Text(Member member)
    {
        var text = member.Annotations.Any(rule => rule is System.ComponentModel.DataAnnotations.EmailAddressAttribute) ? "ada@example.com"
            : member.Annotations.Any(rule => rule is System.ComponentModel.DataAnnotations.UrlAttribute) ? "https://example.com"
            : $"example {member.Name}";
        if (member.LengthLeast > text.Length)
            text = text.PadRight(member.LengthLeast.Value, 'x');
        return text.Length > member.LengthMost ? text[..member.LengthMost.Value] : text;
    }
}
