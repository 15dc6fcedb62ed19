using System.Collections.Frozen;
using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using System.Reflection;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>An object with members: a record of the application. Read through its constructor, so that a value that exists is complete.</summary>
internal sealed class RecordShape : Shape
{
    private readonly FrozenDictionary<string, Member> _byName;
    private readonly Func<object?[], object>? _create;

    public RecordShape(Type type) : base(type)
    {
        var constructor = type.GetConstructors().OrderByDescending(candidate => candidate.GetParameters().Length).FirstOrDefault();
        var parameters = constructor?.GetParameters() ?? [];
        var properties = type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.GetIndexParameters().Length == 0 && property.CanRead).ToArray();
        var nullability = new NullabilityInfoContext();
        Members = [.. properties.Select(property => MemberOf(property, Array.FindIndex(parameters, parameter => Matches(parameter, property)), parameters, nullability))
            .OrderBy(member => member.Position < 0 ? int.MaxValue : member.Position)];
        if (Members.Count == 0)
            throw new ConfigurationException("MST1003", $"Type {type.Name} has no public properties, so there is nothing to send or store. Declare a record with members.");
        if (Members.GroupBy(member => member.Name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new ConfigurationException("MST1003", $"{type.Name} has {string.Join(" and ", twice.Select(member => member.Property.Name))}, which would both be sent as '{twice.Key}'. Rename one of them.");
        _byName = Members.ToFrozenDictionary(member => member.Name, StringComparer.Ordinal);
        if (parameters.Length > 0 && parameters.All(parameter => properties.Any(property => Matches(parameter, property))))
            _create = Compile(constructor!);
    }

    public IReadOnlyList<Member> Members { get; }

    /// <summary>Members that the constructor takes, in its order: what can be read.</summary>
    public IEnumerable<Member> Inputs => field ??= Members.Where(member => member.Position >= 0).ToArray();

    /// <summary>Whether values can be made from input, that is, every parameter of the longest constructor is a property.</summary>
    public bool CanCreate => _create is not null;

    public Member? Find(string name) => _byName.GetValueOrDefault(name);

    public Member? FindProperty(string property) => Members.FirstOrDefault(member => member.Property.Name == property);

    /// <summary>Makes a value from constructor arguments in the order of <see cref="Inputs"/>.</summary>
    public object Create(object?[] arguments) => (_create ?? throw new ConfigurationException("MST1003",
        $"Type {Type.Name} cannot be read from input: its constructor takes parameters that are not properties. Declare it as a positional record."))(arguments);

    public override void Write(Utf8JsonWriter writer, object value)
    {
        writer.WriteStartObject();
        foreach (var member in Members)
        {
            writer.WritePropertyName(member.Name);
            if (member.Get(value) is { } content)
                member.Shape.Write(writer, content);
            else
                writer.WriteNullValue();
        }
        writer.WriteEndObject();
    }

    public override object? Read(JsonElement json, JsonPath path, InputFaults faults)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            faults.Add(path, "type", $"Expected an object, found {ScalarShape.NameOf(json.ValueKind)}.");
            return null;
        }
        var before = faults.Count;
        var arguments = new object?[Inputs.Count()];
        var given = new bool[arguments.Length];
        ReadMembers(json, path, faults, arguments, given, accepts: static _ => true);
        foreach (var member in Inputs)
            if (!given[member.Position])
                Default(member, path, faults, arguments);
        if (faults.Count > before)
            return null;
        var value = Create(arguments);
        if (!faults.IsStored)
            ValidateWhole(value, path, faults);
        return faults.Count > before ? null : value;
    }

    /// <summary>
    /// Reads the members that an object gives into their places. Unknown and doubled members are faults, and so are those that are not set this way.
    /// A member named <paramref name="except"/> is somebody else's.
    /// </summary>
    public void ReadMembers(JsonElement json, JsonPath path, InputFaults faults, object?[] arguments, bool[] given, Func<Member, bool> accepts, string? except = null)
    {
        foreach (var property in json.EnumerateObject())
        {
            var isText = StrictText.TryGetName(property, out var name);
            if (isText && (name == except || (faults.IsStored && Find(name) is { Position: < 0 })))
                continue;
            if (isText && Find(name) is { Position: >= 0 } known && !accepts(known))
                faults.Add(path[name], "readOnly", "This member is not set by the body. Leave it out.");
            else if (Find(name) is not { Position: >= 0 } member)
                faults.Add(path[name], "unknown", $"There is no such member.{Suggestion.For(name, Inputs.Where(accepts).Select(candidate => candidate.Name))}");
            else if (given[member.Position])
                faults.Add(path[name], "duplicate", "The member is given twice.");
            else
            {
                given[member.Position] = true;
                arguments[member.Position] = ReadMember(member, property.Value, path[name], faults);
            }
        }
    }

    /// <summary>Reads and checks one member's value.</summary>
    public static object? ReadMember(Member member, JsonElement json, JsonPath path, InputFaults faults)
    {
        if (json.ValueKind == JsonValueKind.Null)
        {
            if (!member.IsNullable)
                faults.Add(path, "required", "Expected a value, found null.");
            return null;
        }
        var before = faults.Count;
        var value = member.Shape.Read(json, path, faults);
        if (value is not null && faults.Count == before && !faults.IsStored)
            member.Validate(value, path, faults);
        return value;
    }

    /// <summary>Puts the default of a member that was not given, or reports that it is required.</summary>
    public static void Default(Member member, JsonPath path, InputFaults faults, object?[] arguments)
    {
        if (member.IsRequired)
            faults.Add(path[member.Name], "required", "The member is required.");
        else
            arguments[member.Position] = member.Default;
    }

    /// <summary>Runs the type's own <see cref="IValidatableObject"/> rules, after its members have been found valid.</summary>
    public void ValidateWhole(object value, JsonPath path, InputFaults faults)
    {
        if (value is not IValidatableObject validatable)
            return;
        foreach (var result in validatable.Validate(new ValidationContext(value)))
            foreach (var name in result.MemberNames.DefaultIfEmpty(""))
                faults.Add(FindProperty(name) is { } member ? path[member.Name] : path, "invalid", result.ErrorMessage ?? "The value is not valid.");
    }

    private static bool Matches(ParameterInfo parameter, PropertyInfo property) =>
        string.Equals(parameter.Name, property.Name, StringComparison.OrdinalIgnoreCase) && parameter.ParameterType == property.PropertyType;

    private static Member MemberOf(PropertyInfo property, int position, ParameterInfo[] parameters, NullabilityInfoContext nullability)
    {
        var parameter = position >= 0 ? parameters[position] : null;
        var isNullable = Nullable.GetUnderlyingType(property.PropertyType) is not null
            || (!property.PropertyType.IsValueType && nullability.Create(property).ReadState == NullabilityState.Nullable);
        var annotations = property.GetCustomAttributes<ValidationAttribute>(inherit: true)
            .Concat(parameter?.GetCustomAttributes<ValidationAttribute>(inherit: true) ?? []).ToArray();
        var hasDefault = parameter is { HasDefaultValue: true };
        return new Member
        {
            Name = JsonNamingPolicy.CamelCase.ConvertName(property.Name),
            Property = property,
            IsNullable = isNullable && !annotations.OfType<RequiredAttribute>().Any(),
            IsRequired = annotations.OfType<RequiredAttribute>().Any() || !(isNullable || hasDefault),
            Default = hasDefault ? DefaultOf(parameter!) : null,
            Annotations = annotations,
            Get = Getter(property),
            Position = position,
        };
    }

    /// <summary>Reflection gives an enum's default as its number and a struct's as null.</summary>
    private static object? DefaultOf(ParameterInfo parameter)
    {
        var type = Nullable.GetUnderlyingType(parameter.ParameterType) ?? parameter.ParameterType;
        return parameter.DefaultValue switch
        {
            null when parameter.ParameterType.IsValueType && Nullable.GetUnderlyingType(parameter.ParameterType) is null => Activator.CreateInstance(type),
            { } number when type.IsEnum => Enum.ToObject(type, number),
            var value => value,
        };
    }

    private static Func<object, object?> Getter(PropertyInfo property)
    {
        var instance = Expression.Parameter(typeof(object));
        return Expression.Lambda<Func<object, object?>>(
            Expression.Convert(Expression.Property(Expression.Convert(instance, property.DeclaringType!), property), typeof(object)), instance).Compile();
    }

    private static Func<object?[], object> Compile(ConstructorInfo constructor)
    {
        var arguments = Expression.Parameter(typeof(object?[]));
        var values = constructor.GetParameters().Select((parameter, i) => (Expression)Expression.Convert(Expression.ArrayIndex(arguments, Expression.Constant(i)), parameter.ParameterType));
        return Expression.Lambda<Func<object?[], object>>(Expression.Convert(Expression.New(constructor, values), typeof(object)), arguments).Compile();
    }
}
