using System.Reflection;
using System.Runtime.CompilerServices;

namespace Mainstay.Tests;

/// <summary>
/// Writes a type as C# with the question marks and tuple names of its place of use. The compiler stores both as flat lists on the member, one entry per
/// reference (or tuple element) in the order in which the type is read: Dictionary, key, value, value's arguments … This walks the type in that order.
/// </summary>
internal sealed class TypeText
{
    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void", [typeof(object)] = "object", [typeof(string)] = "string", [typeof(bool)] = "bool", [typeof(char)] = "char", [typeof(byte)] = "byte",
        [typeof(sbyte)] = "sbyte", [typeof(short)] = "short", [typeof(ushort)] = "ushort", [typeof(int)] = "int", [typeof(uint)] = "uint", [typeof(long)] = "long",
        [typeof(ulong)] = "ulong", [typeof(float)] = "float", [typeof(double)] = "double", [typeof(decimal)] = "decimal", [typeof(nint)] = "nint", [typeof(nuint)] = "nuint",
    };

    private readonly IReadOnlyList<byte>? annotations;
    private readonly byte annotation;
    private readonly IReadOnlyList<string?> names;
    private int nextAnnotation;
    private int nextName;

    private TypeText(IList<CustomAttributeData> attributes, byte context)
    {
        var stored = Stored(attributes);
        annotations = stored as IReadOnlyList<byte>;
        annotation = stored as byte? ?? context;
        names = Argument(attributes, nameof(TupleElementNamesAttribute)) is IReadOnlyCollection<CustomAttributeTypedArgument> values ? [.. values.Select(value => (string?)value.Value)] : [];
    }

    public static string Write(Type type) => Write(type, [], 0);

    /// <summary>The type as its own declaration names it, with the variance of its parameters.</summary>
    public static string Declare(Type type) => Name(type, [.. type.GetGenericArguments().Select(Argument)]);

    public static string Write(Type type, IList<CustomAttributeData> attributes, byte context) => new TypeText(attributes, context).Walk(type);

    /// <summary>What a reference without an entry of its own means here: 0 unknown, 1 not null, 2 may be null.</summary>
    public static byte Context(MemberInfo? member) =>
        member is null ? (byte)0 : Argument(member.GetCustomAttributesData(), "NullableContextAttribute") as byte? ?? Context(member.DeclaringType);

    public static byte Annotation(Type parameter) => Stored(parameter.GetCustomAttributesData()) as byte? ?? Context((MemberInfo?)parameter.DeclaringMethod ?? parameter.DeclaringType);

    private string Walk(Type type)
    {
        if (type.IsByRef)
            return Walk(type.GetElementType()!);
        if (type.IsPointer)
            return $"{Walk(type.GetElementType()!)}*";
        if (Nullable.GetUnderlyingType(type) is { } underlying)
            return $"{Walk(underlying)}?";
        if (type.IsValueType && !type.IsGenericType && !type.IsGenericParameter)
            return Name(type, []);

        var mark = Next() == 2 && !type.IsValueType ? "?" : "";
        if (type.IsArray)
            return $"{Walk(type.GetElementType()!)}[{new string(',', type.GetArrayRank() - 1)}]{mark}";
        if (type.IsGenericParameter)
            return type.Name + mark;
        if (type is { IsValueType: true, IsGenericTypeDefinition: false } && typeof(ITuple).IsAssignableFrom(type))
            return Tuple(type.GetGenericArguments());
        return Name(type, [.. type.GetGenericArguments().Select(Walk)]) + mark;
    }

    private string Tuple(Type[] elements)
    {
        var labels = elements.Select(_ => nextName < names.Count ? names[nextName++] : null).ToArray();
        return $"({string.Join(", ", elements.Zip(labels, (element, label) => label is null ? Walk(element) : $"{Walk(element)} {label}"))})";
    }

    private static string Argument(Type parameter) => (parameter.GenericParameterAttributes & GenericParameterAttributes.VarianceMask) switch
    {
        GenericParameterAttributes.Covariant => $"out {parameter.Name}",
        GenericParameterAttributes.Contravariant => $"in {parameter.Name}",
        _ => parameter.Name,
    };

    private static string Name(Type type, ReadOnlySpan<string> arguments)
    {
        if (Keywords.TryGetValue(type, out var keyword))
            return keyword;
        // A nested type repeats the parameters of the outer one before its own.
        var outer = type.DeclaringType is { } parent ? parent.GetGenericArguments().Length : 0;
        var own = arguments.Length > outer ? $"<{string.Join(", ", arguments[outer..]!)}>" : "";
        return $"{(type.DeclaringType is { } declaring ? $"{Name(declaring, arguments[..Math.Min(outer, arguments.Length)])}." : "")}{type.Name.Split('`')[0]}{own}";
    }

    private byte Next() => annotations is null ? annotation : nextAnnotation < annotations.Count ? annotations[nextAnnotation++] : (byte)0;

    private static object? Stored(IList<CustomAttributeData> attributes) => Argument(attributes, "NullableAttribute") switch
    {
        IReadOnlyCollection<CustomAttributeTypedArgument> many => many.Select(value => (byte)value.Value!).ToArray(),
        var one => one,
    };

    private static object? Argument(IList<CustomAttributeData> attributes, string name) =>
        attributes.FirstOrDefault(attribute => attribute.AttributeType.Name == name)?.ConstructorArguments[0].Value;
}
