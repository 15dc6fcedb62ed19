using System.Collections;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>An array of one element shape. Read as an array of the CLR element type; bounded.</summary>
internal sealed class ListShape(Type type, Type element) : Shape(type)
{
    /// <summary>How many elements an input may have unless <c>[MaxLength]</c> says otherwise.</summary>
    public const int DefaultMost = 100;

    public Shape Element { get; } = Of(element);

    public static Type? ElementOf(Type type)
    {
        if (type.IsArray && type.GetArrayRank() == 1)
            return type.GetElementType();
        var definition = type.IsGenericType ? type.GetGenericTypeDefinition() : null;
        return definition == typeof(IReadOnlyList<>) || definition == typeof(IReadOnlyCollection<>) || definition == typeof(IEnumerable<>)
            || definition == typeof(List<>) || definition == typeof(IList<>)
            ? type.GetGenericArguments()[0]
            : null;
    }

    public override void Write(Utf8JsonWriter writer, object value)
    {
        writer.WriteStartArray();
        foreach (var item in (IEnumerable)value)
            if (item is null)
                writer.WriteNullValue();
            else
                Element.Write(writer, item);
        writer.WriteEndArray();
    }

    public override object? Read(JsonElement json, JsonPath path, InputFaults faults)
    {
        if (json.ValueKind != JsonValueKind.Array)
        {
            faults.Add(path, "type", $"Expected an array, found {ScalarShape.NameOf(json.ValueKind)}.");
            return null;
        }
        var items = Array.CreateInstance(Element.Type, json.GetArrayLength());
        var index = 0;
        foreach (var item in json.EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.Null)
                faults.Add(path[index], "required", "Expected a value, found null.");
            else if (Element.Read(item, path[index], faults) is { } value)
            {
                // Elements have no annotations of their own, so the defaults of members bound them.
                if (!faults.IsStored && value is string text && Member.Characters(text) > Member.DefaultTextMost)
                    faults.Add(path[index], "maxLength", $"Expected at most {Member.DefaultTextMost} characters, found {Member.Characters(text)}.");
                else if (!faults.IsStored && Element is ListShape && value is ICollection { Count: > DefaultMost } inner)
                    faults.Add(path[index], "maxLength", $"Expected at most {DefaultMost} elements, found {inner.Count}.");
                items.SetValue(value, index);
            }
            index++;
        }
        return Type.IsArray || Type.IsInterface ? items : Activator.CreateInstance(Type, items);
    }
}
