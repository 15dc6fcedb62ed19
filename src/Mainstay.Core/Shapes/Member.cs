using System.ComponentModel.DataAnnotations;
using System.Reflection;

namespace Mainstay.Internal;

/// <summary>One member of a record: its names, its shape, its bounds, and how to get it.</summary>
internal sealed class Member
{
    /// <summary>Longest text a member takes unless <c>[MaxLength]</c> or <c>[StringLength]</c> says otherwise, in characters.</summary>
    public const int DefaultTextMost = 1000;

    /// <summary>Longest binary value a member takes unless <c>[MaxLength]</c> says otherwise, in bytes.</summary>
    public const int DefaultBytesMost = 64 * 1024;

    public required string Name { get; init; }

    public required PropertyInfo Property { get; init; }

    /// <summary>Looked up at first use, so that a record may contain itself.</summary>
    public Shape Shape => field ??= Shape.Of(Property.PropertyType);

    /// <summary>Whether null is a value.</summary>
    public required bool IsNullable { get; init; }

    /// <summary>Whether the caller must send it: not nullable and without a default.</summary>
    public required bool IsRequired { get; init; }

    /// <summary>The value when the caller does not send it.</summary>
    public object? Default { get; init; }

    /// <summary>The standard annotations of the member, from the parameter of a positional record or from the property.</summary>
    public required IReadOnlyList<ValidationAttribute> Annotations { get; init; }

    public required Func<object, object?> Get { get; init; }

    /// <summary>Position in the constructor, or -1 for a member that is only sent.</summary>
    public required int Position { get; init; }

    public ScalarShape? Scalar => Shape as ScalarShape;

    /// <summary>The most characters, bytes or elements, or null where the member has no length.</summary>
    public int? LengthMost => field ??= Annotations.Select(rule => rule switch
    {
        MaxLengthAttribute { Length: > 0 } max => (int?)max.Length,
        StringLengthAttribute length => length.MaximumLength,
        LengthAttribute length => length.MaximumLength,
        _ => null,
    }).Min() ?? Shape switch
    {
        TextShape => DefaultTextMost,
        ListShape => ListShape.DefaultMost,
        ScalarShape { Format: "byte" } => DefaultBytesMost,
        _ => null,
    };

    /// <summary>The fewest characters, bytes or elements, or null.</summary>
    public int? LengthLeast => Annotations.Select(rule => rule switch
    {
        MinLengthAttribute min => (int?)min.Length,
        StringLengthAttribute { MinimumLength: > 0 } length => length.MinimumLength,
        LengthAttribute length => length.MinimumLength,
        RequiredAttribute { AllowEmptyStrings: false } when Shape is TextShape => 1,
        _ => null,
    }).Max();

    /// <summary>The declared bounds of a number, or null.</summary>
    public (decimal? Least, decimal? Most, bool LeastExclusive, bool MostExclusive) Range
    {
        get
        {
            foreach (var rule in Annotations)
                if (rule is RangeAttribute range && Scalar is { JsonType: "integer" or "number" })
                    return (Number(range.Minimum), Number(range.Maximum), range.MinimumIsExclusive, range.MaximumIsExclusive);
            return default;
        }
    }

    /// <summary>The regular expression a text must match, or null.</summary>
    public string? Pattern => Annotations.OfType<RegularExpressionAttribute>().FirstOrDefault()?.Pattern;

    /// <summary>Checks the bounds of a value that has the right type.</summary>
    public void Validate(object value, JsonPath path, InputFaults faults)
    {
        var length = value switch { string text => Characters(text), Array items => items.Length, System.Collections.ICollection items => items.Count, _ => -1 };
        if (length >= 0 && LengthMost is { } most && length > most)
            faults.Add(path, "maxLength", $"Expected at most {most} {Unit}, found {length}.");
        else if (length >= 0 && LengthLeast is { } least && length < least)
            faults.Add(path, "minLength", $"Expected at least {least} {Unit}, found {length}.");
        else
            foreach (var rule in Annotations)
                Check(rule, value, path, faults);
    }

    private string Unit => Shape switch { TextShape => "characters", ListShape => "elements", _ => "bytes" };

    /// <summary>Characters as PostgreSQL counts them: code points, not UTF-16 units.</summary>
    public static int Characters(string text)
    {
        var count = text.Length;
        foreach (var unit in text)
            if (char.IsLowSurrogate(unit))
                count--;
        return count;
    }

    private void Check(ValidationAttribute rule, object value, JsonPath path, InputFaults faults)
    {
        switch (rule)
        {
            case MaxLengthAttribute or MinLengthAttribute or StringLengthAttribute or LengthAttribute or RequiredAttribute:
                break; // checked above with the numbers the database uses
            case RangeAttribute when Scalar is { JsonType: "integer" or "number" }:
                if (!IsInRange(value))
                    faults.Add(path, "range", $"Expected {Described()}, found {Scalar.Text(value)}.");
                break;
            default:
                var context = new ValidationContext(value) { MemberName = Name, DisplayName = Name };
                if (rule.GetValidationResult(value, context) is { } failed)
                    faults.Add(path, CodeOf(rule), failed.ErrorMessage ?? $"{Name} is not valid.");
                break;
        }
    }

    /// <summary>Compares floating numbers as such: as decimals they would be rounded to 15 digits, and the database would disagree at the edge.</summary>
    private bool IsInRange(object value)
    {
        var (least, most, leastExclusive, mostExclusive) = Range;
        if (value is double or float)
        {
            var number = Convert.ToDouble(value, System.Globalization.CultureInfo.InvariantCulture);
            return Holds(number, (double?)least, (double?)most);
        }
        return Holds(Number(value), least, most);

        bool Holds<T>(T? number, T? from, T? to) where T : struct, IComparable<T> =>
            number is not { } given
            || ((from is not { } low || (leastExclusive ? given.CompareTo(low) > 0 : given.CompareTo(low) >= 0))
            && (to is not { } high || (mostExclusive ? given.CompareTo(high) < 0 : given.CompareTo(high) <= 0)));
    }

    /// <summary>The declared range in words.</summary>
    private string Described()
    {
        var (least, most, leastExclusive, mostExclusive) = Range;
        return string.Join(" and ", new[] { least is null ? null : $"{(leastExclusive ? "more than" : "at least")} {least}", most is null ? null : $"{(mostExclusive ? "less than" : "at most")} {most}" }.OfType<string>());
    }

    private static string CodeOf(ValidationAttribute rule) => rule switch
    {
        RegularExpressionAttribute => "pattern",
        EmailAddressAttribute => "email",
        UrlAttribute => "uri",
        PhoneAttribute => "phone",
        CreditCardAttribute => "creditCard",
        AllowedValuesAttribute or DeniedValuesAttribute => "enum",
        RangeAttribute => "range",
        _ => "invalid",
    };

    private static decimal? Number(object value) => value switch
    {
        double d when Math.Abs(d) > 7.9e28 => null,
        float f when Math.Abs(f) > 7.9e28f => null,
        IConvertible convertible => convertible.ToDecimal(System.Globalization.CultureInfo.InvariantCulture),
        _ => null,
    };
}
