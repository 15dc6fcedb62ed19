using Mainstay.Internal;

namespace Mainstay;

/// <summary>When a job runs again and again: at times of a wall clock, or at equal distances. What is wrong with it is reported at the start, with all other mistakes.</summary>
public sealed class Schedule
{
    private readonly string _text;
    private readonly CronExpression? _cron;
    private readonly TimeZoneInfo _zone = TimeZoneInfo.Utc;
    private readonly TimeSpan _interval;

    private Schedule(string expression, string timeZone)
    {
        _text = $"cron {string.Join(' ', expression.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))} in {timeZone}";
        _cron = CronExpression.Parse(expression, out var fault);
        if (_cron is null)
            Mistake = new ConfigurationException("MST2504", $"The cron expression '{expression}' {fault}.");
        else if (!TryFind(timeZone, out _zone))
            Mistake = Unknown(timeZone);
    }

    private Schedule(TimeSpan interval)
    {
        _text = $"every {interval:c}";
        _interval = interval;
        if (interval < TimeSpan.FromSeconds(1) || interval > TimeSpan.FromDays(366) || interval.Ticks % TimeSpan.TicksPerSecond != 0)
            Mistake = new ConfigurationException("MST2504", $"A job runs every {interval}, expected whole seconds from 1 s to 366 days.");
    }

    /// <summary>What is wrong with it; null when nothing is.</summary>
    internal ConfigurationException? Mistake { get; }

    /// <summary>
    /// At times of a wall clock, each at most once a day. A time that the clock leaps over runs once, at the end of the leap; one that it shows twice
    /// runs at the first.
    /// </summary>
    /// <param name="expression">Minute, hour, day of the month, month, day of the week, as cron reads them, for example <c>0 6 * * mon-fri</c>; or <c>@hourly</c>, <c>@daily</c>, <c>@weekly</c>, <c>@monthly</c>, <c>@yearly</c>.</param>
    /// <param name="timeZone">Where the clock hangs, by its IANA name, for example <c>Europe/Berlin</c>. Default: UTC.</param>
    public static Schedule Cron(string expression, string timeZone = "UTC")
    {
        ArgumentNullException.ThrowIfNull(expression);
        ArgumentNullException.ThrowIfNull(timeZone);
        return new Schedule(expression, timeZone);
    }

    /// <summary>At multiples of a time since the beginning of 1970 in UTC, so that all nodes and releases agree: every 15 minutes is at :00, :15, :30 and :45.</summary>
    /// <param name="interval">Whole seconds, from one second to 366 days.</param>
    public static Schedule Every(TimeSpan interval) => new(interval);

    /// <summary>The first time after the given one.</summary>
    /// <exception cref="ConfigurationException">MST2504: the schedule cannot be understood.</exception>
    public DateTimeOffset NextAfter(DateTimeOffset instant)
    {
        if (Mistake is not null)
            throw Mistake;
        if (_cron is null)
            return DateTimeOffset.UnixEpoch.AddTicks((((instant - DateTimeOffset.UnixEpoch).Ticks / _interval.Ticks) + 1) * _interval.Ticks);
        var shown = WallClock.Read(instant, _zone);
        while (true)
        {
            // In an hour that is shown for the second time, whatever it has was at the first.
            shown = _cron.NextAfter(shown) ?? throw new ArgumentOutOfRangeException(nameof(instant), instant, $"There is no time of '{_text}' after it.");
            if (WallClock.When(shown, _zone) is var next && next > instant)
                return next;
        }
    }

    /// <summary>The schedule in words. The same words are the same schedule.</summary>
    public override string ToString() => _text;

    private static bool TryFind(string timeZone, out TimeZoneInfo zone)
    {
        if (TimeZoneInfo.TryFindSystemTimeZoneById(timeZone, out var found))
        {
            zone = found;
            return true;
        }
        zone = TimeZoneInfo.Utc;
        return false;
    }

    private static ConfigurationException Unknown(string timeZone)
    {
        var known = TimeZoneInfo.GetSystemTimeZones();
        return new ConfigurationException("MST2504", known.Count > 1
            ? $"'{timeZone}' is not a time zone that this machine knows.{Suggestion.For(timeZone, known.Select(zone => zone.Id))} Zones have IANA names such as Europe/Berlin."
            : $"The time zone '{timeZone}' cannot be found, because this machine has no time zone data. Install its package tzdata.");
    }
}
