using System.Collections.Frozen;
using System.Reflection;

namespace Mainstay.Internal;

/// <summary>A property or field of a row that a policy reads, and the value in it as it is compared.</summary>
internal sealed record RowMember(MemberInfo Member)
{
    private static readonly FrozenSet<Type> comparable = new[]
    {
        typeof(string), typeof(bool), typeof(short), typeof(int), typeof(long), typeof(decimal), typeof(Guid),
        typeof(DateTimeOffset), typeof(DateOnly), typeof(TimeOnly), typeof(TimeSpan),
    }.ToFrozenSet();

    public string Name => Member.Name;

    /// <summary>The declared type without its <c>?</c>.</summary>
    public Type Type { get; } = Nullable.GetUnderlyingType(DeclaredType(Member)) ?? DeclaredType(Member);

    /// <summary>Whether the value can be missing. Text always can: its annotation does not survive every way a row is made.</summary>
    public bool IsNullable { get; } = !DeclaredType(Member).IsValueType || Nullable.GetUnderlyingType(DeclaredType(Member)) is not null;

    public bool IsNumber => IsNumberType(Type);

    public static bool CanCompare(Type type) => comparable.Contains(type) || IsPlainEnum(type) || IId.OwnerOf(type) is not null;

    public static bool IsNumberType(Type type) => type == typeof(short) || type == typeof(int) || type == typeof(long) || type == typeof(decimal);

    /// <summary>The row's value as it is compared. See <see cref="Normalize"/>.</summary>
    public object? Read(object row) => Normalize(Member is PropertyInfo property ? property.GetValue(row) : ((FieldInfo)Member).GetValue(row));

    /// <summary>A value as it is compared, in memory as in SQL: ids as their UUID, instants in UTC, times cut to microseconds.</summary>
    public static object? Normalize(object? value) => value switch
    {
        IId id => id.Value,
        DateTimeOffset instant => Microseconds.Truncate(instant),
        TimeOnly time => Microseconds.Truncate(time),
        TimeSpan span => Microseconds.Truncate(span),
        _ => value,
    };

    // A set of flags has no single name, and its name is what the column holds.
    private static bool IsPlainEnum(Type type) => type.IsEnum && !type.IsDefined(typeof(FlagsAttribute), inherit: false);

    private static Type DeclaredType(MemberInfo member) => member is PropertyInfo property ? property.PropertyType : ((FieldInfo)member).FieldType;
}
