using System.Globalization;
using System.Text.Json;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// How a scalar is kept in PostgreSQL: its type, and how a field goes from the reader straight to JSON (no object in between) or to an object.
/// </summary>
internal abstract class ColumnType(string sqlType)
{
    public const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'";

    /// <summary>The type's name as <c>format_type</c> gives it, so that declared and existing columns compare as text.</summary>
    public string SqlType { get; } = sqlType;

    /// <summary>The only texts the column takes, for an enum; null for all other types.</summary>
    public virtual IReadOnlyList<string>? Values => null;

    /// <summary>Writes a field that is not null. Must spell the value as the scalar's own <see cref="Shape.Write"/> does.</summary>
    public abstract void WriteJson(NpgsqlDataReader reader, int ordinal, Utf8JsonWriter writer);

    /// <summary>Reads a field that is not null.</summary>
    public abstract object Read(NpgsqlDataReader reader, int ordinal);

    /// <exception cref="ConfigurationException">MST1302: the type has no PostgreSQL counterpart.</exception>
    public static ColumnType Of(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type.IsEnum)
            return (ColumnType)Activator.CreateInstance(typeof(EnumColumnType<>).MakeGenericType(type))!;
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Id<>))
            return (ColumnType)Activator.CreateInstance(typeof(IdColumnType<>).MakeGenericType(type.GetGenericArguments()))!;
        return knownTypes.GetValueOrDefault(type) ?? throw new ConfigurationException("MST1302",
            $"Type {type.Name} cannot be a column, expected one of {ScalarShape.Supported}. Use one of these, or JsonElement for a document.");
    }

    private static readonly Dictionary<Type, ColumnType> knownTypes = new()
    {
        [typeof(string)] = new TextColumnType(),
        [typeof(bool)] = new ColumnType<bool>("boolean", (reader, i) => reader.GetBoolean(i), (writer, value) => writer.WriteBooleanValue(value)),
        [typeof(short)] = new ColumnType<short>("smallint", (reader, i) => reader.GetInt16(i), (writer, value) => writer.WriteNumberValue(value)),
        [typeof(int)] = new ColumnType<int>("integer", (reader, i) => reader.GetInt32(i), (writer, value) => writer.WriteNumberValue(value)),
        [typeof(long)] = new ColumnType<long>("bigint", (reader, i) => reader.GetInt64(i), (writer, value) => writer.WriteNumberValue(value)),
        [typeof(decimal)] = new ColumnType<decimal>("numeric", (reader, i) => reader.GetDecimal(i), (writer, value) => writer.WriteNumberValue(value)),
        [typeof(double)] = new ColumnType<double>("double precision", (reader, i) => reader.GetDouble(i), (writer, value) => writer.WriteNumberValue(value)),
        [typeof(float)] = new ColumnType<float>("real", (reader, i) => reader.GetFloat(i), (writer, value) => writer.WriteNumberValue(value)),
        [typeof(Guid)] = new ColumnType<Guid>("uuid", (reader, i) => reader.GetGuid(i), (writer, value) => writer.WriteStringValue(value)),
        [typeof(DateTimeOffset)] = new ColumnType<DateTimeOffset>("timestamp with time zone", (reader, i) => new DateTimeOffset(reader.GetDateTime(i)), WriteTime),
        [typeof(DateOnly)] = new ColumnType<DateOnly>("date", (reader, i) => reader.GetFieldValue<DateOnly>(i), (writer, value) => writer.WriteStringValue(value.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture))),
        [typeof(TimeOnly)] = new ColumnType<TimeOnly>("time without time zone", (reader, i) => reader.GetFieldValue<TimeOnly>(i), (writer, value) => writer.WriteStringValue(value.ToString("HH:mm:ss.FFFFFF", CultureInfo.InvariantCulture))),
        [typeof(TimeSpan)] = new ColumnType<TimeSpan>("interval", (reader, i) => reader.GetFieldValue<TimeSpan>(i), (writer, value) => writer.WriteStringValue(System.Xml.XmlConvert.ToString(value))),
        [typeof(byte[])] = new ColumnType<byte[]>("bytea", (reader, i) => reader.GetFieldValue<byte[]>(i), (writer, value) => writer.WriteBase64StringValue(value)),
        [typeof(JsonElement)] = new DocumentColumnType(),
    };

    private static void WriteTime(Utf8JsonWriter writer, DateTimeOffset value)
    {
        Span<byte> text = stackalloc byte[40];
        value.TryFormat(text, out var length, TimeFormat, CultureInfo.InvariantCulture);
        writer.WriteStringValue(text[..length]);
    }
}

internal sealed class ColumnType<T>(string sqlType, Func<NpgsqlDataReader, int, T> read, Action<Utf8JsonWriter, T> write) : ColumnType(sqlType) where T : notnull
{
    public override void WriteJson(NpgsqlDataReader reader, int ordinal, Utf8JsonWriter writer) => write(writer, read(reader, ordinal));

    public override object Read(NpgsqlDataReader reader, int ordinal) => read(reader, ordinal);
}

/// <summary>Text goes from PostgreSQL's UTF-8 into JSON's as it is, without becoming a string in between.</summary>
internal sealed class TextColumnType() : ColumnType("text")
{
    /// <summary>Texts that are longer get memory of their own.</summary>
    private const int SharedLength = 1024;

    [ThreadStatic]
    private static byte[]? shared;

    /// <summary>Writes text as it is kept.</summary>
    public static void Write(NpgsqlDataReader reader, int ordinal, Utf8JsonWriter writer)
    {
        var bytes = shared ??= new byte[SharedLength];
        var length = (int)reader.GetBytes(ordinal, 0, bytes, 0, SharedLength);
        writer.WriteStringValue(length < SharedLength ? bytes.AsSpan(0, length) : reader.GetFieldValue<byte[]>(ordinal));
    }

    public override void WriteJson(NpgsqlDataReader reader, int ordinal, Utf8JsonWriter writer) => Write(reader, ordinal, writer);

    public override object Read(NpgsqlDataReader reader, int ordinal) => reader.GetString(ordinal);
}

internal sealed class EnumColumnType<T>() : ColumnType("text") where T : struct, Enum
{
    public override IReadOnlyList<string> Values => EnumNames<T>.All;

    // The stored text is already the sent name; an unknown one (a member removed later) is shown as it is rather than failing the page.
    public override void WriteJson(NpgsqlDataReader reader, int ordinal, Utf8JsonWriter writer) => TextColumnType.Write(reader, ordinal, writer);

    public override object Read(NpgsqlDataReader reader, int ordinal) => EnumNames<T>.TryParse(reader.GetString(ordinal), out var value)
        ? value
        : throw new InvalidOperationException($"MST1309: The stored value '{reader.GetString(ordinal)}' is no member of {typeof(T).Name}. Keep members that rows still use.");
}

internal sealed class IdColumnType<T>() : ColumnType("uuid")
{
    public override void WriteJson(NpgsqlDataReader reader, int ordinal, Utf8JsonWriter writer)
    {
        Span<byte> text = stackalloc byte[TypeId.LengthMax];
        Id<T>.From(reader.GetGuid(ordinal)).TryFormat(text, out var length, default, null);
        writer.WriteStringValue(text[..length]);
    }

    public override object Read(NpgsqlDataReader reader, int ordinal) => Id<T>.From(reader.GetGuid(ordinal));
}

internal sealed class DocumentColumnType() : ColumnType("jsonb")
{
    public override void WriteJson(NpgsqlDataReader reader, int ordinal, Utf8JsonWriter writer) => writer.WriteRawValue(reader.GetString(ordinal), skipInputValidation: true);

    public override object Read(NpgsqlDataReader reader, int ordinal) => JsonElement.Parse(reader.GetString(ordinal));
}
