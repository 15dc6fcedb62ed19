using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>Reads and writes ids as their text form, also as keys of a dictionary.</summary>
/// <remarks>Public because source-generated serializers of the application name it; not meant to be called.</remarks>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class IdJsonConverter : JsonConverterFactory
{
    /// <inheritdoc/>
    public override bool CanConvert(Type typeToConvert) => IId.OwnerOf(typeToConvert) is not null;

    /// <inheritdoc/>
    public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
        (JsonConverter)Activator.CreateInstance(typeof(Converter<>).MakeGenericType(IId.OwnerOf(typeToConvert)!))!;

    private sealed class Converter<T> : JsonConverter<Id<T>>
    {
        public override Id<T> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.String ? ReadText(ref reader) : throw NotAnId();

        public override Id<T> ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => ReadText(ref reader);

        public override void Write(Utf8JsonWriter writer, Id<T> value, JsonSerializerOptions options)
        {
            Span<byte> text = stackalloc byte[TypeId.LengthWith(Id<T>.Prefix)];
            value.TryFormat(text, out _);
            writer.WriteStringValue(text);
        }

        public override void WriteAsPropertyName(Utf8JsonWriter writer, Id<T> value, JsonSerializerOptions options)
        {
            Span<byte> text = stackalloc byte[TypeId.LengthWith(Id<T>.Prefix)];
            value.TryFormat(text, out _);
            writer.WritePropertyName(text);
        }

        private static Id<T> ReadText(ref Utf8JsonReader reader)
        {
            // An escape takes at most six bytes a character. Anything longer cannot be an id, whatever it unescapes to.
            var length = reader.HasValueSequence ? reader.ValueSequence.Length : reader.ValueSpan.Length;
            if (length > 6 * TypeId.LengthWith(Id<T>.Prefix))
                throw NotAnId();

            Span<char> text = stackalloc char[(int)length];
            return Id<T>.TryParse(text[..reader.CopyString(text)], out var id) ? id : throw NotAnId();
        }

        private static JsonException NotAnId() => new($"Expected an id of {typeof(T).Name}: '{Id<T>.Prefix}_' and 26 of the characters 0-9 a-z without i, l, o, u.");
    }
}
