using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Text.Json.Serialization;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>The id of a <typeparamref name="T"/>: a UUID that knows what it is the id of. In text and JSON a TypeID, <c>order_01h455vb4pex5vsknk084sn02q</c>; in the table a <c>uuid</c>.</summary>
/// <remarks>
/// The order of ids is the order of their texts and of the <c>uuid</c> column. <see cref="New"/> strictly increases within a process, so that
/// order is the order of creation, and between processes as good as their clocks. <c>default</c> is the nil id, which <see cref="New"/> never makes.
/// </remarks>
/// <typeparam name="T">What has the id. Its name, or <see cref="IdPrefixAttribute"/>, gives the prefix.</typeparam>
[JsonConverter(typeof(IdJsonConverter))]
public readonly struct Id<T> : IEquatable<Id<T>>, IComparable<Id<T>>, IComparisonOperators<Id<T>, Id<T>, bool>, ISpanFormattable, IUtf8SpanFormattable, ISpanParsable<Id<T>>, IId
{
    // Not computed in a static constructor that throws: a type's bad name would surface as a TypeInitializationException without a code.
    private static readonly (string? Prefix, string? Mistake) prefix = IdPrefixAttribute.Of(typeof(T));

    private Id(Guid value) => Value = value;

    /// <summary>The word before the last underscore, for example <c>purchase_order</c> for <c>PurchaseOrder</c>.</summary>
    /// <exception cref="ConfigurationException">MST1201: neither the type's name nor its <see cref="IdPrefixAttribute"/> is a prefix.</exception>
    public static string Prefix => prefix.Prefix ?? throw new ConfigurationException("MST1201", prefix.Mistake!);

    /// <summary>The UUID, as the table stores it.</summary>
    public Guid Value { get; }

    /// <summary>Makes an id that is new everywhere and greater than every id this process made before: a UUID of version 7.</summary>
    public static Id<T> New() => new(IdSequence.OfProcess.Next());

    /// <summary>The id with this UUID, of whichever version.</summary>
    public static Id<T> From(Guid value) => new(value);

    /// <summary>Reads the text form. Strict: the right prefix, lower case, 26 digits.</summary>
    /// <exception cref="FormatException">The text is not an id of <typeparamref name="T"/>.</exception>
    public static Id<T> Parse(ReadOnlySpan<char> text) => TryParse(text, out var id) ? id : throw new FormatException(NotAnId(text));

    /// <inheritdoc cref="Parse(ReadOnlySpan{char})"/>
    public static Id<T> Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Parse(text.AsSpan());
    }

    /// <summary>Reads the text form, or returns false when the text is not an id of <typeparamref name="T"/>.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Id<T> id)
    {
        var parsed = TypeId.TryParse(text, Prefix, out var value);
        id = new(value);
        return parsed;
    }

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, out Id{T})"/>
    public static bool TryParse([NotNullWhen(true)] string? text, out Id<T> id) => TryParse(text.AsSpan(), out id);

    /// <summary>The text form, for example <c>order_01h455vb4pex5vsknk084sn02q</c>.</summary>
    public override string ToString() => TypeId.Format(Prefix, Value);

    /// <summary>Compares in the order of the texts.</summary>
    public int CompareTo(Id<T> other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public bool Equals(Id<T> other) => Value == other.Value;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Id<T> other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    /// <summary>Whether both are the same id.</summary>
    public static bool operator ==(Id<T> left, Id<T> right) => left.Equals(right);

    /// <summary>Whether they are different ids.</summary>
    public static bool operator !=(Id<T> left, Id<T> right) => !left.Equals(right);

    /// <summary>Whether the left id sorts first.</summary>
    public static bool operator <(Id<T> left, Id<T> right) => left.CompareTo(right) < 0;

    /// <summary>Whether the left id sorts first or is the same.</summary>
    public static bool operator <=(Id<T> left, Id<T> right) => left.CompareTo(right) <= 0;

    /// <summary>Whether the left id sorts last.</summary>
    public static bool operator >(Id<T> left, Id<T> right) => left.CompareTo(right) > 0;

    /// <summary>Whether the left id sorts last or is the same.</summary>
    public static bool operator >=(Id<T> left, Id<T> right) => left.CompareTo(right) >= 0;

    /// <summary>Writes the text form. Format and provider mean nothing here.</summary>
    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format = default, IFormatProvider? provider = null) =>
        TypeId.TryFormat(Prefix, Value, destination, out charsWritten);

    /// <summary>Writes the text form as UTF-8. Format and provider mean nothing here.</summary>
    public bool TryFormat(Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format = default, IFormatProvider? provider = null) =>
        TypeId.TryFormat(Prefix, Value, utf8Destination, out bytesWritten);

    string IFormattable.ToString(string? format, IFormatProvider? formatProvider) => ToString();

    static Id<T> ISpanParsable<Id<T>>.Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => Parse(s);

    static bool ISpanParsable<Id<T>>.TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out Id<T> result) => TryParse(s, out result);

    static Id<T> IParsable<Id<T>>.Parse(string s, IFormatProvider? provider) => Parse(s);

    static bool IParsable<Id<T>>.TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out Id<T> result) => TryParse(s, out result);

    // No more of a stranger's text than an id can have.
    private static string NotAnId(ReadOnlySpan<char> text) =>
        $"'{text[..Math.Min(text.Length, TypeId.LengthWith(Prefix))]}' is not an id of {typeof(T).Name}, expected '{Prefix}_' and 26 of the characters 0-9 a-z without i, l, o, u.";
}
