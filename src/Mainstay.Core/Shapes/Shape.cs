using System.Collections.Concurrent;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>
/// What a CLR type looks like from outside: how it is read from JSON and text, written to JSON, checked, and described. Everything that
/// crosses an interface (resources, inputs, results, events) goes through its shape, so that all interfaces agree on names, bounds and spelling.
/// </summary>
internal abstract class Shape(Type type)
{
    private static readonly ConcurrentDictionary<Type, Shape> knownTypes = new();

    public Type Type { get; } = type;

    /// <summary>Writes a value of this shape. The value is not null.</summary>
    public abstract void Write(Utf8JsonWriter writer, object value);

    /// <summary>Reads a value, adding a fault for everything that is wrong with it. Returns null after a fault.</summary>
    public abstract object? Read(JsonElement json, JsonPath path, InputFaults faults);

    /// <summary>The shape of a type, nullability aside.</summary>
    /// <exception cref="ConfigurationException">MST1003: the type cannot cross an interface.</exception>
    public static Shape Of(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return knownTypes.TryGetValue(type, out var known) ? known : knownTypes.GetOrAdd(type, Create(type));
    }

    private static Shape Create(Type type)
    {
        if (ScalarShape.TryCreate(type) is { } scalar)
            return scalar;
        if (ListShape.ElementOf(type) is { } element)
            return new ListShape(type, element);
        if (type.IsPrimitive || type.IsPointer || type.IsInterface || type.IsAbstract || type == typeof(object) || typeof(Delegate).IsAssignableFrom(type))
            throw new ConfigurationException("MST1003",
                $"Type {type.Name} cannot be sent or stored, expected a record, an enum, a list of these, or one of {ScalarShape.Supported}. Declare a record with those members.");
        return new RecordShape(type);
    }
}
