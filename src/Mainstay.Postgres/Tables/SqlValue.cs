using System.Collections;
using System.Collections.Concurrent;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>Turns a .NET value into a parameter of exactly one PostgreSQL type, so that a null, an empty list or a plan never has to guess.</summary>
/// <remarks>
/// Enums are stored as the camelCase name of their member, ids as <c>uuid</c>, instants as <c>timestamptz</c> in UTC, times cut to
/// microseconds. A list becomes an array of its element's type.
/// </remarks>
internal static class SqlValue
{
    private static readonly ConcurrentDictionary<Type, Mapping?> mappings = new(
    [
        Map(NpgsqlDbType.Text, static value => (string)value),
        MapStruct(NpgsqlDbType.Boolean, static value => (bool)value),
        MapStruct(NpgsqlDbType.Smallint, static value => (short)value),
        MapStruct(NpgsqlDbType.Integer, static value => (int)value),
        MapStruct(NpgsqlDbType.Bigint, static value => (long)value),
        MapStruct(NpgsqlDbType.Numeric, static value => (decimal)value),
        MapStruct(NpgsqlDbType.Double, static value => (double)value),
        MapStruct(NpgsqlDbType.Real, static value => (float)value),
        MapStruct(NpgsqlDbType.Uuid, static value => (Guid)value),
        // Npgsql takes only UTC, and would itself round instants before 2000 the other way.
        MapStruct(NpgsqlDbType.TimestampTz, static value => Microseconds.Truncate((DateTimeOffset)value)),
        MapStruct(NpgsqlDbType.Date, static value => (DateOnly)value),
        MapStruct(NpgsqlDbType.Time, static value => Microseconds.Truncate((TimeOnly)value)),
        MapStruct(NpgsqlDbType.Interval, static value => Microseconds.Truncate((TimeSpan)value)),
        Map(NpgsqlDbType.Bytea, static value => (byte[])value),
        // As text: the element may belong to a document that is gone when the command runs, and to serializer settings that are not ours.
        new(typeof(JsonElement), new ReferenceMapping<string>(NpgsqlDbType.Jsonb, static value => ((JsonElement)value).GetRawText())),
    ]);

    /// <summary>A parameter with this value.</summary>
    /// <param name="value">The value, or null.</param>
    /// <param name="type">The declared type, which tells what a null is a null of. With <c>object</c> the value's own type counts.</param>
    /// <exception cref="ConfigurationException">MST1302: PostgreSQL has no column type for it.</exception>
    public static NpgsqlParameter Parameter(object? value, Type type)
    {
        if (type == typeof(object) && value is not null)
            type = value.GetType();

        if (MappingOf(type) is { } one)
            return one.One(value);
        if (ElementOf(type) is { } element && MappingOf(element) is { } many)
            return many.Many((IEnumerable?)value);
        throw NoColumnType(type);
    }

    /// <summary>A parameter of the type <c>text</c>.</summary>
    public static NpgsqlParameter Text(string? value) => Plain(value);

    /// <summary>
    /// A parameter of the one type that Npgsql has for <typeparamref name="T"/>, such as <c>uuid</c> for Guid. Naming the type beside it gives the same and costs a look-up of its
    /// name for every value; it is needed only where there are several, such as <c>jsonb</c> for a text.
    /// </summary>
    public static NpgsqlParameter Plain<T>(T value) => new NpgsqlParameter<T> { TypedValue = value };

    /// <summary>A parameter that is an array, of exactly this type of element. For elements whose type is not the one that Npgsql has for <typeparamref name="T"/>.</summary>
    public static NpgsqlParameter Array<T>(NpgsqlDbType element, T[] values) => new NpgsqlParameter<T[]> { NpgsqlDbType = NpgsqlDbType.Array | element, TypedValue = values };

    /// <summary>How values of this declared type become parameters, looked up once for a column instead of once for a value.</summary>
    /// <exception cref="ConfigurationException">MST1302: PostgreSQL has no column type for it.</exception>
    public static Mapping Of(Type type) => MappingOf(type) ?? throw NoColumnType(type);

    private static Mapping? MappingOf(Type type) => mappings.GetOrAdd(Nullable.GetUnderlyingType(type) ?? type, static plain =>
        plain.IsEnum && !plain.IsDefined(typeof(FlagsAttribute), inherit: false) ? new ReferenceMapping<string>(NpgsqlDbType.Text, NameOf)
        : IId.OwnerOf(plain) is not null ? new ValueMapping<Guid>(NpgsqlDbType.Uuid, static value => ((IId)value).Value)
        : null);

    private static string NameOf(object member) => Enum.IsDefined(member.GetType(), member)
        ? JsonNamingPolicy.CamelCase.ConvertName(member.ToString()!)
        : throw new ArgumentOutOfRangeException(nameof(member), $"{(member as Enum)!:D} is no member of {member.GetType().Name}, so it has no name to store.");

    private static Type? ElementOf(Type type)
    {
        if (type.IsArray)
            return type.GetArrayRank() == 1 ? type.GetElementType() : null;
        return IsSequence(type) ? type.GetGenericArguments()[0] : type.GetInterfaces().FirstOrDefault(IsSequence)?.GetGenericArguments()[0];

        static bool IsSequence(Type candidate) => candidate.IsGenericType && candidate.GetGenericTypeDefinition() == typeof(IEnumerable<>);
    }

    private static ConfigurationException NoColumnType(Type type) => new("MST1302",
        $"A value of type {type} has no PostgreSQL type. Supported are string, bool, short, int, long, decimal, double, float, Guid, Id<T>, enums, DateTimeOffset, "
        + $"DateOnly, TimeOnly, TimeSpan, byte[], JsonElement, their nullable forms and lists of them. {Instead(type)}");

    private static string Instead(Type type) => (Nullable.GetUnderlyingType(type) ?? type) switch
    {
        var plain when plain == typeof(DateTime) => "Use DateTimeOffset for an instant and DateOnly for a day.",
        var plain when plain.IsEnum => "Flags have no single name; use one bool per flag.",
        var plain when plain == typeof(uint) || plain == typeof(ulong) || plain == typeof(ushort) || plain == typeof(byte) || plain == typeof(sbyte) => "PostgreSQL has no such integer; use short, int, long or decimal.",
        var plain when plain == typeof(char) => "Use string.",
        _ => "Pass its parts, or JsonSerializer.SerializeToElement(value).",
    };

    private static KeyValuePair<Type, Mapping?> Map<T>(NpgsqlDbType type, Func<object, T> convert) where T : class => new(typeof(T), new ReferenceMapping<T>(type, convert));

    private static KeyValuePair<Type, Mapping?> MapStruct<T>(NpgsqlDbType type, Func<object, T> convert) where T : struct => new(typeof(T), new ValueMapping<T>(type, convert));

    /// <summary>The way of one .NET type into one PostgreSQL type.</summary>
    internal abstract class Mapping(NpgsqlDbType type)
    {
        public NpgsqlParameter One(object? value) => value is null ? Null(type) : One(type, value);

        public NpgsqlParameter Many(IEnumerable? values) => values is null ? Null(ArrayType) : Many(ArrayType, values.Cast<object?>());

        protected abstract NpgsqlParameter One(NpgsqlDbType type, object value);

        protected abstract NpgsqlParameter Many(NpgsqlDbType arrayType, IEnumerable<object?> values);

        private NpgsqlDbType ArrayType => NpgsqlDbType.Array | type;

        private static NpgsqlParameter Null(NpgsqlDbType type) => new() { NpgsqlDbType = type, Value = DBNull.Value };
    }

    private sealed class ReferenceMapping<T>(NpgsqlDbType type, Func<object, T> convert) : Mapping(type) where T : class
    {
        // A document is the one text that is not stored as text.
        protected override NpgsqlParameter One(NpgsqlDbType type, object value) => type == NpgsqlDbType.Jsonb
            ? new NpgsqlParameter<T> { NpgsqlDbType = type, TypedValue = convert(value) }
            : Plain(convert(value));

        protected override NpgsqlParameter Many(NpgsqlDbType arrayType, IEnumerable<object?> values) =>
            new NpgsqlParameter<T?[]> { NpgsqlDbType = arrayType, TypedValue = [.. values.Select(value => value is null ? null : convert(value))] };
    }

    private sealed class ValueMapping<T>(NpgsqlDbType type, Func<object, T> convert) : Mapping(type) where T : struct
    {
        protected override NpgsqlParameter One(NpgsqlDbType type, object value) => Plain(convert(value));

        protected override NpgsqlParameter Many(NpgsqlDbType arrayType, IEnumerable<object?> values)
        {
            T?[] converted = [.. values.Select(value => value is null ? (T?)null : convert(value))];
            return converted.Contains(null)
                ? new NpgsqlParameter<T?[]> { NpgsqlDbType = arrayType, TypedValue = converted }
                : new NpgsqlParameter<T[]> { NpgsqlDbType = arrayType, TypedValue = [.. converted.Select(value => value!.Value)] };
        }
    }
}
