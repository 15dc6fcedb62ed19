using System.Globalization;

namespace Mainstay.Tests;

/// <summary>Exact times of schedules, over leap days and everything that clocks on walls do.</summary>
public sealed class ScheduleTests
{
    [Theory]
    [InlineData("0 6 * * *", "2026-11-28T05:59:59Z", "2026-11-28T06:00Z", "2026-11-29T06:00Z")]
    [InlineData("0 6 * * *", "2026-11-28T06:00Z", "2026-11-29T06:00Z")]
    [InlineData("*/20 9-10 * * mon-fri", "2026-11-27T10:20Z", "2026-11-27T10:40Z", "2026-11-30T09:00Z", "2026-11-30T09:20Z")]
    [InlineData("5,10-12,40-50/5 0 * * *", "2026-11-28T00:00Z", "2026-11-28T00:05Z", "2026-11-28T00:10Z", "2026-11-28T00:11Z", "2026-11-28T00:12Z", "2026-11-28T00:40Z", "2026-11-28T00:45Z", "2026-11-28T00:50Z", "2026-11-29T00:05Z")]
    [InlineData("0 0 1 JAN,jul *", "2026-11-28T00:00Z", "2027-01-01T00:00Z", "2027-07-01T00:00Z")]
    [InlineData("0 0 * * 7", "2026-11-28T00:00Z", "2026-11-29T00:00Z", "2026-12-06T00:00Z")]
    [InlineData("0 0 * * fri-7", "2026-11-28T00:00Z", "2026-11-29T00:00Z", "2026-12-04T00:00Z", "2026-12-05T00:00Z")]
    [InlineData("0 0 13 * fri", "2026-11-01T00:00Z", "2026-11-06T00:00Z", "2026-11-13T00:00Z", "2026-11-20T00:00Z", "2026-11-27T00:00Z", "2026-12-04T00:00Z", "2026-12-11T00:00Z", "2026-12-13T00:00Z")]
    [InlineData("0 0 31 * *", "2026-11-01T00:00Z", "2026-12-31T00:00Z", "2027-01-31T00:00Z", "2027-03-31T00:00Z")]
    [InlineData("0 12 29 2 *", "2026-11-01T00:00Z", "2028-02-29T12:00Z", "2032-02-29T12:00Z")]
    [InlineData("0 12 29 2 *", "2096-03-01T00:00Z", "2104-02-29T12:00Z")]
    [InlineData("@hourly", "2026-12-31T22:59Z", "2026-12-31T23:00Z", "2027-01-01T00:00Z")]
    [InlineData("@weekly", "2026-11-28T00:00Z", "2026-11-29T00:00Z", "2026-12-06T00:00Z")]
    [InlineData("@Yearly", "2026-11-28T00:00Z", "2027-01-01T00:00Z", "2028-01-01T00:00Z")]
    public void Five_fields_mean_what_cron_means_by_them(string expression, string from, params string[] expected) => TimesOf(Schedule.Cron(expression), from, expected.Length).ShouldBe(Parse(expected));

    [Theory]
    [InlineData("30 2 * * *", "2027-03-27T02:00Z", "2027-03-28T01:00Z", "2027-03-29T00:30Z")]                      // 02:30 is leapt over: 03:00 instead
    [InlineData("*/15 * * * *", "2027-03-28T00:40Z", "2027-03-28T00:45Z", "2027-03-28T01:00Z", "2027-03-28T01:15Z")]  // the hour that is leapt over falls on 03:00, once
    [InlineData("0 2,3 * * *", "2027-03-28T00:00Z", "2027-03-28T01:00Z", "2027-03-29T00:00Z")]
    [InlineData("30 2 * * *", "2027-10-30T12:00Z", "2027-10-31T00:30Z", "2027-11-01T01:30Z")]                      // shown twice: the first
    [InlineData("30 2 * * *", "2027-10-31T01:10Z", "2027-11-01T01:30Z")]                                              // within the repetition
    [InlineData("*/30 * * * *", "2027-10-30T23:59Z", "2027-10-31T00:00Z", "2027-10-31T00:30Z", "2027-10-31T02:00Z")] // the repetition has none of its own
    [InlineData("0 6 * * *", "2027-03-27T12:00Z", "2027-03-28T04:00Z", "2027-03-29T04:00Z")]
    [InlineData("0 6 * * *", "2027-10-30T12:00Z", "2027-10-31T05:00Z", "2027-11-01T05:00Z")]
    public void In_Berlin_each_time_comes_once_a_day_also_when_the_clocks_change(string expression, string from, params string[] expected) =>
        TimesOf(Schedule.Cron(expression, "Europe/Berlin"), from, expected.Length).ShouldBe(Parse(expected));

    [Theory]
    [InlineData("America/New_York", "30 2 * * *", "2027-03-13T12:00Z", "2027-03-14T07:00Z", "2027-03-15T06:30Z")]
    [InlineData("America/Sao_Paulo", "0 0 * * *", "2018-11-03T12:00Z", "2018-11-04T03:00Z", "2018-11-05T02:00Z")]      // midnight itself is leapt over
    [InlineData("Australia/Lord_Howe", "15 2 * * *", "2027-10-02T00:00Z", "2027-10-02T15:30Z", "2027-10-03T15:15Z")]   // by half an hour
    [InlineData("Asia/Kathmandu", "0 6 * * *", "2027-01-01T00:00Z", "2027-01-01T00:15Z", "2027-01-02T00:15Z")]
    [InlineData("Pacific/Apia", "0 12 * * *", "2011-12-29T00:00Z", "2011-12-29T22:00Z", "2011-12-30T10:00Z", "2011-12-30T22:00Z")] // 30 December was left out
    public void Zones_leap_by_more_and_less_than_an_hour(string zone, string expression, string from, params string[] expected) =>
        TimesOf(Schedule.Cron(expression, zone), from, expected.Length).ShouldBe(Parse(expected));

    [Fact]
    public void Times_grow_and_are_what_the_wall_shows_unless_it_leapt_over_them()
    {
        var zone = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
        var schedule = Schedule.Cron("*/10 * * * *", "Europe/Berlin");
        var end = At("2028-01-01T00:00Z");
        var count = 0;
        for (DateTimeOffset last = At("2027-01-01T00:00Z"), next = schedule.NextAfter(last); next < end; last = next, next = schedule.NextAfter(next))
        {
            next.ShouldBeGreaterThan(last);
            (TimeZoneInfo.ConvertTime(next, zone).Minute % 10).ShouldBe(0);
            count++;
        }

        count.ShouldBe((365 * 144) - 1 - 6);      // everything that the wall can show, once: without the beginning, and the hour that is leapt over
    }

    [Fact]
    public void Every_counts_from_the_same_instant_on_all_nodes()
    {
        TimesOf(Schedule.Every(TimeSpan.FromMinutes(15)), "2026-11-28T09:07:30Z", 3).ShouldBe(Parse("2026-11-28T09:15Z", "2026-11-28T09:30Z", "2026-11-28T09:45Z"));
        TimesOf(Schedule.Every(TimeSpan.FromSeconds(1)), "2026-11-28T09:07:30.999Z", 2).ShouldBe(Parse("2026-11-28T09:07:31Z", "2026-11-28T09:07:32Z"));
        TimesOf(Schedule.Every(TimeSpan.FromSeconds(1)), "2026-11-28T09:07:31Z", 1).ShouldBe(Parse("2026-11-28T09:07:32Z"));
    }

    [Theory]
    [InlineData("60 * * * *", "has the minute '60', expected 0 to 59")]
    [InlineData("0 6 * *", "has 4 fields, expected 5")]
    [InlineData("0 0 6 * * *", "has 6 fields, expected 5")]
    [InlineData("0 6 * * funday", "has the day of the week 'funday', expected 0 to 7 or sun to sat")]
    [InlineData("5/15 * * * *", "has the minute '5/15'")]
    [InlineData("*/0 * * * *", "has the minute '*/0'")]
    [InlineData("30-10 * * * *", "has the minute '30-10'")]
    [InlineData("0 0 ? * mon", "has the day of the month '?'")]
    [InlineData("0 0 30 2 *", "names a day that does not exist in any year")]
    [InlineData("@reboot", "is not one of @yearly")]
    [InlineData("", "has 0 fields")]
    [InlineData("-1 * * * *", "has the minute '-1'")]
    [InlineData("1, * * * *", "has the minute ''")]
    public void What_cannot_be_understood_is_refused_with_the_reason(string expression, string reason)
    {
        var mistake = Should.Throw<ConfigurationException>(() => Schedule.Cron(expression).NextAfter(At("2026-11-28T00:00Z")));

        mistake.Code.ShouldBe("MST2504");
        mistake.Message.ShouldContain($"The cron expression '{expression}' {reason}");
    }

    [Fact]
    public void An_unknown_zone_and_a_fraction_of_a_second_are_refused()
    {
        Should.Throw<ConfigurationException>(() => Schedule.Cron("0 6 * * *", "Europe/Berlim").NextAfter(At("2026-11-28T00:00Z"))).Message.ShouldContain("'Europe/Berlim' is not a time zone that this machine knows. Did you mean 'Europe/Berlin'?");
        Should.Throw<ConfigurationException>(() => Schedule.Every(TimeSpan.FromMilliseconds(1500)).NextAfter(At("2026-11-28T00:00Z"))).Message.ShouldContain("expected whole seconds from 1 s to 366 days");
        Should.Throw<ConfigurationException>(() => Schedule.Every(TimeSpan.Zero).NextAfter(At("2026-11-28T00:00Z"))).Code.ShouldBe("MST2504");
    }

    private static List<DateTimeOffset> TimesOf(Schedule schedule, string from, int count)
    {
        var times = new List<DateTimeOffset>();
        for (var next = schedule.NextAfter(At(from)); times.Count < count; next = schedule.NextAfter(next))
            times.Add(next);
        return times;
    }

    private static List<DateTimeOffset> Parse(params string[] instants) => [.. instants.Select(At)];

    private static DateTimeOffset At(string instant) => DateTimeOffset.Parse(instant, CultureInfo.InvariantCulture);
}
