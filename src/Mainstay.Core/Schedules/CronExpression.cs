using System.Globalization;

namespace Mainstay.Internal;

/// <summary>
/// A cron expression of five fields as sets of bits, on the clock of a wall: without a time zone. Fields are lists of values, ranges and steps; months and weekdays
/// have names; <c>@daily</c> and its like stand for five fields.
/// </summary>
internal sealed class CronExpression
{
    /// <summary>A leap day falls on a given weekday once in 28 years, in 40 when a century without one lies between.</summary>
    private const int YearsMost = 41;

    private static readonly Dictionary<string, string> aliases = new(StringComparer.OrdinalIgnoreCase)
    {
        ["@yearly"] = "0 0 1 1 *",
        ["@annually"] = "0 0 1 1 *",
        ["@monthly"] = "0 0 1 * *",
        ["@weekly"] = "0 0 * * 0",
        ["@daily"] = "0 0 * * *",
        ["@midnight"] = "0 0 * * *",
        ["@hourly"] = "0 * * * *",
    };

    private static readonly Field[] fields =
    [
        new("minute", 0, 59, []),
        new("hour", 0, 23, []),
        new("day of the month", 1, 31, []),
        new("month", 1, 12, ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
        new("day of the week", 0, 7, ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ];

    private readonly ulong _minutes, _hours, _days, _months, _weekdays;
    private readonly bool _isEitherDay;

    private CronExpression(ulong[] sets, bool isEitherDay)
    {
        (_minutes, _hours, _days, _months) = (sets[0], sets[1], sets[2], sets[3]);
        _weekdays = Has(sets[4], 7) ? sets[4] | 1 : sets[4];        // 0 and 7 are both Sunday
        _isEitherDay = isEitherDay;
    }

    private sealed record Field(string Name, int Least, int Most, string[] Names);

    /// <param name="text">For example <c>0 6 * * mon-fri</c>.</param>
    /// <param name="fault">What is wrong with it, when null is returned.</param>
    public static CronExpression? Parse(string text, out string fault)
    {
        var trimmed = text.Trim();
        if (trimmed.StartsWith('@') && !aliases.ContainsKey(trimmed))
        {
            fault = $"is not one of {string.Join(", ", aliases.Keys)}";
            return null;
        }
        var parts = aliases.GetValueOrDefault(trimmed, trimmed).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length != fields.Length)
        {
            fault = $"has {parts.Length} fields, expected {fields.Length}: {string.Join(", ", fields.Select(field => field.Name))}";
            return null;
        }
        var sets = new ulong[fields.Length];
        for (var i = 0; i < fields.Length; i++)
            foreach (var item in parts[i].Split(','))
                if (SetOf(fields[i], item) is { } set)
                    sets[i] |= set;
                else
                {
                    fault = $"has the {fields[i].Name} '{item}', expected {fields[i].Least} to {fields[i].Most}{(fields[i].Names is [var first, .., var last] ? $" or {first} to {last}" : "")}, a range such as {fields[i].Least + 1}-{fields[i].Least + 3}, *, or one of the last two with a step such as */2";
                    return null;
                }
        // The rule of cron since its beginning: two restricted days are alternatives. A field that begins with a star restricts nothing.
        var parsed = new CronExpression(sets, parts[2][0] != '*' && parts[4][0] != '*');
        fault = "names a day that does not exist in any year";
        return parsed.NextAfter(new DateTime(2000, 1, 1)) is null ? null : parsed;
    }

    /// <summary>The first minute after the given time; null when there is none for a very long time.</summary>
    public DateTime? NextAfter(DateTime time)
    {
        var from = new DateTime(time.Year, time.Month, time.Day, time.Hour, time.Minute, 0).AddMinutes(1);
        var end = from.Date.AddYears(YearsMost);
        for (var day = from.Date; day < end;)
            if (!Has(_months, day.Month))
                day = new DateTime(day.Year, day.Month, 1).AddMonths(1);
            else if (IsOn(day) && FirstOn(day, day == from.Date ? from.TimeOfDay : TimeSpan.Zero) is { } found)
                return found;
            else
                day = day.AddDays(1);
        return null;
    }

    private bool IsOn(DateTime day)
    {
        var isDay = Has(_days, day.Day);
        var isWeekday = Has(_weekdays, (int)day.DayOfWeek);
        return _isEitherDay ? isDay || isWeekday : isDay && isWeekday;
    }

    private DateTime? FirstOn(DateTime day, TimeSpan from)
    {
        for (var hour = from.Hours; hour < 24; hour++)
            if (Has(_hours, hour))
                for (var minute = hour == from.Hours ? from.Minutes : 0; minute < 60; minute++)
                    if (Has(_minutes, minute))
                        return day.AddMinutes((hour * 60) + minute);
        return null;
    }

    private static ulong? SetOf(Field field, string item)
    {
        var step = 1;
        var slash = item.IndexOf('/');
        if (slash >= 0 && (!TryNumber(item[(slash + 1)..], out step) || step == 0))
            return null;
        var range = slash < 0 ? item : item[..slash];
        int least, most;
        if (range == "*")
            (least, most) = (field.Least, field.Most == 7 ? 6 : field.Most);
        else if (range.Split('-') is [var first, var last])
        {
            if (!TryValue(field, first, out least) || !TryValue(field, last, out most))
                return null;
        }
        else if (slash < 0 && TryValue(field, range, out least))
            most = least;
        else
            return null;        // 5/15 means one thing to some programs and another to others
        if (least > most)
            return null;
        var set = 0UL;
        for (var value = least; value <= most; value += step)
            set |= 1UL << value;
        return set;
    }

    private static bool TryValue(Field field, string text, out int value)
    {
        var name = Array.FindIndex(field.Names, known => known.Equals(text, StringComparison.OrdinalIgnoreCase));
        if (name >= 0)
        {
            value = name + field.Least;
            return true;
        }
        return TryNumber(text, out value) && value >= field.Least && value <= field.Most;
    }

    private static bool TryNumber(string text, out int value)
    {
        value = 0;
        return text.Length is > 0 and <= 3 && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    private static bool Has(ulong set, int value) => (set >> value & 1) != 0;
}
