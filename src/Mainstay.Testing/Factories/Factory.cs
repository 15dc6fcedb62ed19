using System.ComponentModel.DataAnnotations;
using System.Globalization;

namespace Mainstay.Internal;

/// <summary>
/// Makes records that are valid by their declarations: required members within their bounds, ids of their own, texts and numbers that differ from one record to the
/// next, so that unique ones are; what may be left out has its default.
/// </summary>
internal sealed class Factory(TimeProvider clock)
{
    private const string Digits = "0123456789abcdefghijklmnopqrstuvwxyz";

    private int _number;

    /// <summary>A record as it is made, which a test may still change before it is checked.</summary>
    public object Make(Type type) => Shape.Of(type) is RecordShape { CanCreate: true } shape
        ? shape.Create([.. shape.Inputs.Select(Value)])
        : throw new InvalidOperationException($"{type.Name} cannot be made, expected a record whose constructor takes all its members.");

    /// <summary>Checks a record as if it had come from outside.</summary>
    /// <exception cref="InvalidOperationException">What is wrong with it, member by member.</exception>
    public static void Check(object made)
    {
        var shape = (RecordShape)Shape.Of(made.GetType());
        var faults = new InputFaults();
        foreach (var member in shape.Inputs)
            if (member.Get(made) is { } value)
                member.Validate(value, JsonPath.Root[member.Name], faults);
            else if (!member.IsNullable)
                faults.Add(JsonPath.Root[member.Name], "required", "Expected a value, found null.");
        if (!faults.Any)
            shape.ValidateWhole(made, JsonPath.Root, faults);
        if (faults.Any)
            throw new InvalidOperationException($"{made.GetType().Name} cannot be made valid from its declaration alone. Give what it needs: A<{made.GetType().Name}>(made => made with {{ … }}).\n"
                + string.Join('\n', faults.Errors.Select(fault => $"  {fault.Pointer} {fault.Code}: {fault.Detail}")));
    }

    /// <summary>A value for a member of a record.</summary>
    public object? Value(Member member)
    {
        if (!member.IsRequired)
            return member.Default;
        var number = Interlocked.Increment(ref _number);
        return member.Shape switch
        {
            TextShape => Text(member, number),
            ListShape list => Items(list, member.LengthLeast ?? 0),
            RecordShape record => Make(record.Type),
            ScalarShape { JsonType: "integer" or "number" } scalar => Number(member, scalar, number),
            ScalarShape scalar => Scalar(scalar, member.LengthLeast ?? 1),
            _ => null,
        };
    }

    private static object Number(Member member, ScalarShape scalar, int number)
    {
        var (least, most, leastExclusive, mostExclusive) = member.Range;
        var from = (least ?? 1) + (leastExclusive ? 1 : 0);
        var to = Math.Min(most ?? decimal.MaxValue, scalar.Bounds?.Most ?? decimal.MaxValue) - (mostExclusive ? 1 : 0);
        // Small, and another one each time, as long as there is another one.
        var room = Math.Min(to - from, 1000);
        return Convert.ChangeType(from + (room < 1 ? 0 : number % (int)(room + 1)), scalar.Type, CultureInfo.InvariantCulture);
    }

    private object Items(ListShape list, int count)
    {
        var items = Array.CreateInstance(list.Element.Type, count);
        for (var i = 0; i < count; i++)
            items.SetValue(list.Element is RecordShape record ? Make(record.Type) : list.Element is ScalarShape scalar ? Scalar(scalar, 1) : throw new InvalidOperationException($"A list of {list.Element.Type.Name} cannot be made."), i);
        return list.Type.IsArray ? items : list.Type.IsInterface ? items : Activator.CreateInstance(list.Type, items)!;
    }

    private object Scalar(ScalarShape scalar, int length)
    {
        var type = scalar.Type;
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Id<>))
            return IdFactory.Make(type, Guid.CreateVersion7());
        if (type.IsEnum)
            return Enum.GetValues(type).GetValue(0)!;
        if (type == typeof(string))
            return $"text {Interlocked.Increment(ref _number)}";
        if (type == typeof(Guid))
            return Guid.CreateVersion7();
        if (type == typeof(DateTimeOffset))
            return new DateTimeOffset(Now().Ticks / TimeSpan.TicksPerSecond * TimeSpan.TicksPerSecond, TimeSpan.Zero);
        if (type == typeof(DateOnly))
            return DateOnly.FromDateTime(Now().UtcDateTime);
        if (type == typeof(TimeOnly))
            return new TimeOnly(9, 30);
        if (type == typeof(TimeSpan))
            return TimeSpan.FromMinutes(90);
        if (type == typeof(byte[]))
            return new byte[length];
        if (type == typeof(System.Text.Json.JsonElement))
            return System.Text.Json.JsonElement.Parse("{}");
        if (type == typeof(bool))
            return false;
        return Convert.ChangeType(1, type, CultureInfo.InvariantCulture);
    }

    private DateTimeOffset Now() => clock.GetUtcNow();

    private static string Text(Member member, int number)
    {
        var most = member.LengthMost ?? Member.DefaultTextMost;
        var digits = Base36(number);
        var (before, after) = member.Annotations.Any(rule => rule is EmailAddressAttribute) ? ("", "@example.com")
            : member.Annotations.Any(rule => rule is UrlAttribute) ? ("https://example.com/", "")
            : ($"{member.Name} ", "");
        if (before.Length + digits.Length + after.Length > most)
            (before, after, digits) = ("", "", digits[^Math.Min(most, digits.Length)..]);
        // Zeros before a number leave it the number that it is.
        return before + digits.PadLeft(Math.Max((member.LengthLeast ?? 0) - before.Length - after.Length, 0), '0') + after;
    }

    private static string Base36(int number)
    {
        var text = "";
        for (; number > 0; number /= Digits.Length)
            text = Digits[number % Digits.Length] + text;
        return text;
    }
}
