using System.Globalization;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>The keywords that bound a size, and their values in order.</summary>
internal static class ContractNumbers
{
    public static bool IsUpper(string keyword) => keyword is "maximum" or "exclusiveMaximum" or "maxLength" or "maxItems" or "maxProperties";

    public static bool IsLower(string keyword) => keyword is "minimum" or "exclusiveMinimum" or "minLength" or "minItems" or "minProperties";

    /// <summary>Exactly where both are decimals, which all bounds of integers and amounts are; a double's own limits do not fit into one.</summary>
    public static int Compare(JsonNode left, JsonNode right)
    {
        var (one, other) = (left.ToJsonString(), right.ToJsonString());
        return decimal.TryParse(one, NumberStyles.Float, CultureInfo.InvariantCulture, out var exact) && decimal.TryParse(other, NumberStyles.Float, CultureInfo.InvariantCulture, out var otherExact)
            ? exact.CompareTo(otherExact)
            : double.Parse(one, CultureInfo.InvariantCulture).CompareTo(double.Parse(other, CultureInfo.InvariantCulture));
    }
}
