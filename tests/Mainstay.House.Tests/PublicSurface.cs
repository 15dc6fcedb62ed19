using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace Mainstay.Tests;

/// <summary>Prints what an assembly offers to others as sorted lines that read like C#. What the compiler adds to a record is left out: the word says it.</summary>
internal static class PublicSurface
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<string, string> Operators = new()
    {
        ["op_Equality"] = "==", ["op_Inequality"] = "!=", ["op_LessThan"] = "<", ["op_GreaterThan"] = ">", ["op_LessThanOrEqual"] = "<=",
        ["op_GreaterThanOrEqual"] = ">=", ["op_Addition"] = "+", ["op_Subtraction"] = "-", ["op_Multiply"] = "*", ["op_Division"] = "/", ["op_BitwiseAnd"] = "&",
        ["op_BitwiseOr"] = "|", ["op_LogicalNot"] = "!", ["op_UnaryNegation"] = "-", ["op_True"] = "true", ["op_False"] = "false",
    };

    public static string Print(Assembly assembly)
    {
        var text = new StringBuilder();
        foreach (var types in PublicTypes(assembly).GroupBy(type => type.Namespace).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            text.Append("namespace ").Append(types.Key ?? "(none)").Append('\n');
            foreach (var type in types.OrderBy(type => type.FullName, StringComparer.Ordinal))
                text.Append('\n').Append(Print(type));
        }
        return text.ToString();
    }

    public static string Print(Type type) => $"{Header(type)}\n{string.Concat(Members(type).Select(member => $"    {member}\n"))}";

    public static IEnumerable<Type> PublicTypes(Assembly assembly) =>
        assembly.GetExportedTypes().Where(type => !type.FullName!.Contains('<'));   // the compiler keeps extension blocks in types with unspeakable names

    public static bool IsAwaitable(Type type) =>
        type == typeof(Task) || type == typeof(ValueTask) || (type.IsGenericType && type.GetGenericTypeDefinition() is var open && (open == typeof(Task<>) || open == typeof(ValueTask<>)));

    /// <summary>The methods that a type itself offers, without accessors and without what the compiler wrote.</summary>
    public static IEnumerable<MethodInfo> Methods(Type type) => type.GetMethods(Declared).Where(method =>
        IsVisible(method) && !IsCompilerGenerated(method) && (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal)) && method.GetBaseDefinition().DeclaringType != typeof(object));

    private static string Header(Type type)
    {
        var attributes = Attributes(type.GetCustomAttributesData(), "Obsolete", "Flags", "Experimental");
        var name = TypeText.Declare(type);
        if (typeof(Delegate).IsAssignableFrom(type) && type.GetMethod("Invoke") is { } invoke)
            return $"{attributes}public delegate {ReturnType(invoke)} {name}({Parameters(invoke)}){Constraints(type.GetGenericArguments())}";
        if (type.IsEnum)
            return $"{attributes}public enum {name}{(Enum.GetUnderlyingType(type) == typeof(int) ? "" : $" : {TypeText.Write(Enum.GetUnderlyingType(type))}")}";

        var shape = type switch
        {
            { IsInterface: true } => "interface",
            { IsValueType: true } => $"{(Has(type, "IsReadOnlyAttribute") ? "readonly " : "")}{(type.IsByRefLike ? "ref " : "")}{(IsRecord(type) ? "record " : "")}struct",
            { IsAbstract: true, IsSealed: true } => "static class",
            _ => $"{(type.IsAbstract ? "abstract " : type.IsSealed ? "sealed " : "")}{(IsRecord(type) ? "record" : "class")}",
        };
        var parents = Parents(type).ToList();
        return $"{attributes}public {shape} {name}{(parents.Count > 0 ? " : " : "")}{string.Join(", ", parents)}{Constraints(type.GetGenericArguments())}";
    }

    private static IEnumerable<string> Parents(Type type)
    {
        if (type is { IsClass: true, BaseType: { } parent } && parent != typeof(object))
            yield return TypeText.Write(parent);
        var inherited = (type.BaseType?.GetInterfaces() ?? []).Concat(type.GetInterfaces().SelectMany(contract => contract.GetInterfaces())).ToHashSet();
        foreach (var contract in type.GetInterfaces().Where(contract => contract.IsVisible && !inherited.Contains(contract) && !(IsRecord(type) && contract == typeof(IEquatable<>).MakeGenericType(type)))
            .Select(contract => TypeText.Write(contract)).Order(StringComparer.Ordinal))
            yield return contract;
    }

    private static IEnumerable<string> Members(Type type)
    {
        if (typeof(Delegate).IsAssignableFrom(type))
            return [];
        if (type.IsEnum)
            return type.GetFields(BindingFlags.Public | BindingFlags.Static).OrderBy(field => Convert.ToDecimal(field.GetRawConstantValue(), CultureInfo.InvariantCulture))
                .Select(field => $"{Attributes(field.GetCustomAttributesData(), "Obsolete")}{field.Name} = {field.GetRawConstantValue()}");
        return
        [
            .. Sorted(type.GetFields(Declared).Where(field => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly), Field),
            .. Sorted(type.GetConstructors(Declared).Where(constructor => IsVisible(constructor) && !constructor.IsStatic && !IsCompilerGenerated(constructor)), constructor =>
                $"{Prefix(constructor)}{type.Name.Split('`')[0]}({Parameters(constructor)})"),
            .. Sorted(type.GetProperties(Declared).Where(property => property.GetAccessors(nonPublic: true).Any(IsVisible) && property.Name != "EqualityContract"), Property),
            .. Sorted(type.GetEvents(Declared).Where(@event => IsVisible(@event.AddMethod!)), @event =>
                $"{Prefix(@event.AddMethod!)}event {TypeText.Write(@event.EventHandlerType!, @event.GetCustomAttributesData(), TypeText.Context(type))} {@event.Name}"),
            .. Sorted(Methods(type), Method),
        ];
    }

    private static IEnumerable<string> Sorted<T>(IEnumerable<T> members, Func<T, string> print) => members.Select(print).Order(StringComparer.Ordinal);

    private static string Field(FieldInfo field)
    {
        var modifiers = field.IsLiteral ? "const " : $"{(field.IsStatic ? "static " : "")}{(field.IsInitOnly ? "readonly " : "")}";
        var required = Has(field, "RequiredMemberAttribute") ? "required " : "";
        var type = TypeText.Write(field.FieldType, field.GetCustomAttributesData(), TypeText.Context(field.DeclaringType!));
        return $"{(field.IsPublic ? "" : "protected ")}{modifiers}{required}{type} {field.Name}{(field.IsLiteral ? $" = {Literal(field.GetRawConstantValue(), field.FieldType)}" : "")}";
    }

    private static string Property(PropertyInfo property)
    {
        var main = property.GetAccessors(nonPublic: true).OrderByDescending(accessor => accessor.IsPublic).First();
        var required = Has(property, "RequiredMemberAttribute") ? "required " : "";
        var type = TypeText.Write(property.PropertyType, property.GetCustomAttributesData(), TypeText.Context(property.DeclaringType!));
        var name = property.GetIndexParameters().Length == 0 ? property.Name : $"this[{Parameters(property.GetIndexParameters(), TypeText.Context(main))}]";
        var setter = property.SetMethod?.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) == true ? "init" : "set";
        return $"{Attributes(property.GetCustomAttributesData(), "Obsolete")}{Prefix(main)}{required}{type} {name} {{ {Accessor(property.GetMethod, "get")}{Accessor(property.SetMethod, setter)}}}";

        string Accessor(MethodInfo? accessor, string word) =>
            accessor is null || !IsVisible(accessor) ? "" : $"{(main.IsPublic && !accessor.IsPublic ? "protected " : "")}{word}; ";
    }

    private static string Method(MethodInfo method)
    {
        var arguments = method.IsGenericMethodDefinition ? $"<{string.Join(", ", method.GetGenericArguments().Select(argument => argument.Name))}>" : "";
        var extension = method.IsDefined(typeof(ExtensionAttribute), inherit: false) ? "this " : "";
        var signature = method.Name switch
        {
            "op_Implicit" or "op_Explicit" => $"{method.Name[3..].ToLowerInvariant()} operator {ReturnType(method)}",
            _ when Operators.TryGetValue(method.Name, out var symbol) => $"{ReturnType(method)} operator {symbol}",
            _ => $"{ReturnType(method)} {method.Name}",
        };
        return $"{Prefix(method)}{signature}{arguments}({extension}{Parameters(method)}){Constraints(method.GetGenericArguments())}";
    }

    private static string Prefix(MethodBase method)
    {
        var overrides = method is MethodInfo info && info.GetBaseDefinition() != info;
        var contract = method.DeclaringType!.IsInterface;
        var modifier = method switch
        {
            { IsAbstract: true } => contract && !method.IsStatic ? "" : "abstract ",
            { IsVirtual: true, IsFinal: false } => overrides ? "override " : "virtual ",
            _ => overrides ? "sealed override " : "",
        };
        return $"{Attributes(method.GetCustomAttributesData(), "Obsolete", "Experimental")}{(method.IsPublic ? "" : "protected ")}{(method.IsStatic ? "static " : "")}{modifier}";
    }

    private static string ReturnType(MethodInfo method) =>
        $"{(method.ReturnType.IsByRef ? "ref " : "")}{TypeText.Write(method.ReturnType, method.ReturnParameter.GetCustomAttributesData(), TypeText.Context(method))}";

    private static string Parameters(MethodBase method) => Parameters(method.GetParameters(), TypeText.Context(method));

    private static string Parameters(ParameterInfo[] parameters, byte context) => string.Join(", ", parameters.Select(parameter =>
    {
        var attributes = Attributes(parameter.GetCustomAttributesData(), "NotNullWhen", "MaybeNullWhen", "NotNull", "MaybeNull", "NotNullIfNotNull", "DoesNotReturnIf");
        var kind = parameter switch
        {
            { ParameterType.IsByRef: true, IsOut: true } => "out ",
            { ParameterType.IsByRef: true, IsIn: true } => "in ",
            { ParameterType.IsByRef: true } => "ref ",
            _ => Has(parameter, "ParamArrayAttribute") || Has(parameter, "ParamCollectionAttribute") ? "params " : "",
        };
        var value = parameter.HasDefaultValue ? $" = {Literal(parameter.RawDefaultValue, parameter.ParameterType)}" : "";
        return $"{attributes}{kind}{TypeText.Write(parameter.ParameterType, parameter.GetCustomAttributesData(), context)} {parameter.Name}{value}";
    }));

    private static string Constraints(Type[] arguments) => string.Concat(arguments.Select(argument =>
    {
        var flags = argument.GenericParameterAttributes;
        var isStruct = flags.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint);
        var annotation = TypeText.Annotation(argument);
        List<string> constraints = [];
        if (isStruct)
            constraints.Add(Has(argument, "IsUnmanagedAttribute") ? "unmanaged" : "struct");
        else if (flags.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint))
            constraints.Add(annotation == 2 ? "class?" : "class");
        else if (annotation == 1 && argument.GetGenericParameterConstraints().Length == 0)
            constraints.Add("notnull");
        constraints.AddRange(argument.GetGenericParameterConstraints().Where(constraint => constraint != typeof(ValueType)).Select(constraint => TypeText.Write(constraint)).Order(StringComparer.Ordinal));
        if (!isStruct && flags.HasFlag(GenericParameterAttributes.DefaultConstructorConstraint))
            constraints.Add("new()");
        if (flags.HasFlag(GenericParameterAttributes.AllowByRefLike))
            constraints.Add("allows ref struct");
        return constraints.Count == 0 || argument.DeclaringMethod is null && argument.DeclaringType!.DeclaringType?.GetGenericArguments().Length > argument.GenericParameterPosition
            ? ""
            : $" where {argument.Name} : {string.Join(", ", constraints)}";
    }));

    private static string Literal(object? value, Type type)
    {
        var underlying = Nullable.GetUnderlyingType(type);
        type = underlying ?? type;
        return value switch
        {
            null => type.IsValueType && underlying is null ? "default" : "null",
            string text => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}\"",
            bool truth => truth ? "true" : "false",
            char letter => $"'{letter}'",
            _ when type.IsEnum => $"{type.Name}.{Enum.ToObject(type, value)}",
            _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        };
    }

    /// <summary>The listed attributes as they would be written. The compiler marks what old compilers cannot use as obsolete; that is not a promise of ours.</summary>
    private static string Attributes(IList<CustomAttributeData> attributes, params string[] names) => string.Concat(attributes
        .Where(attribute => attribute.AttributeType != typeof(ObsoleteAttribute) || attributes.All(other => other.AttributeType != typeof(CompilerFeatureRequiredAttribute)))
        .Select(attribute => (Name: attribute.AttributeType.Name[..^"Attribute".Length], Values: attribute.ConstructorArguments.Select(argument => Literal(argument.Value, argument.ArgumentType))))
        .Where(attribute => names.Contains(attribute.Name))
        .Select(attribute => $"[{attribute.Name}{(attribute.Values.Any() ? $"({string.Join(", ", attribute.Values)})" : "")}] ")
        .Order(StringComparer.Ordinal));

    private static bool IsVisible(MethodBase method) => method.IsPublic || ((method.IsFamily || method.IsFamilyOrAssembly) && !method.DeclaringType!.IsSealed);

    private static bool IsCompilerGenerated(MethodBase method) => method.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false);

    private static bool IsRecord(Type type) => type.GetMethod("PrintMembers", Declared) is { } printer && IsCompilerGenerated(printer);

    private static bool Has(MemberInfo member, string attribute) => member.GetCustomAttributesData().Any(data => data.AttributeType.Name == attribute);

    private static bool Has(ParameterInfo parameter, string attribute) => parameter.GetCustomAttributesData().Any(data => data.AttributeType.Name == attribute);
}
