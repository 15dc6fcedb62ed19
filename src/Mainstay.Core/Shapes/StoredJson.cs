using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>
/// Values that the application stores for itself: payloads and results. Written and read by their shape as everything else is, but without the bounds that are set to
/// strangers: what was accepted once must be readable for as long as it is kept, whatever a later release asks of newcomers.
/// </summary>
internal static class StoredJson
{
    /// <param name="value">What is to be stored.</param>
    /// <param name="type">Its declared type. Default: its own.</param>
    public static string Write(object value, Type? type = null)
    {
        using var json = JsonScratch.Rent();
        Shape.Of(type ?? value.GetType()).Write(json.Writer, value);
        return json.ToString();
    }

    /// <exception cref="ProblemException">The type has changed since.</exception>
    /// <exception cref="JsonException">It is not JSON.</exception>
    public static object? Read(Type type, string json)
    {
        using var document = JsonDocument.Parse(json);
        var faults = new InputFaults { IsStored = true };
        var value = document.RootElement.ValueKind == JsonValueKind.Null ? null : Shape.Of(type).Read(document.RootElement, JsonPath.Root, faults);
        faults.ThrowIfAny();
        return value;
    }

    /// <summary>Refuses a type that could be written and not be read again.</summary>
    /// <param name="type">The declared type.</param>
    /// <param name="what">What is declared with it, for the message.</param>
    /// <exception cref="ConfigurationException">MST1003</exception>
    public static void Check(Type type, string what)
    {
        try
        {
            if (FindUnreadable(Shape.Of(type), []) is { } unreadable)
                throw new ConfigurationException("MST1003", $"Type {unreadable.Name} cannot be read again, because its constructor takes parameters that are not properties. Declare it as a positional record.");
        }
        catch (ConfigurationException mistake) when (mistake.Code == "MST1003")
        {
            throw new ConfigurationException("MST1003", $"{what}: {mistake.Message["MST1003: ".Length..]}", mistake);
        }
    }

    private static Type? FindUnreadable(Shape shape, HashSet<Type> seen) => shape switch
    {
        RecordShape { CanCreate: false } => shape.Type,
        RecordShape record => seen.Add(shape.Type) ? record.Inputs.Select(member => FindUnreadable(member.Shape, seen)).FirstOrDefault(found => found is not null) : null,
        ListShape list => FindUnreadable(list.Element, seen),
        _ => null,
    };
}
