using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>Which planned times run when the system was away.</summary>
public sealed class DueTimesTests
{
    private static readonly DateTimeOffset six = new(2026, 11, 28, 6, 0, 0, TimeSpan.Zero);
    private static readonly Schedule hourly = Schedule.Cron("0 * * * *");

    [Theory]
    [InlineData(Missed.Once)]
    [InlineData(Missed.Skip)]
    [InlineData(Missed.All)]
    public void A_time_that_is_seen_at_once_runs_whatever_becomes_of_missed_ones(Missed missed)
    {
        var due = DueTimes.Of(hourly, six, six.AddSeconds(20), missed, isOneAtATime: false);

        due.Runs.ShouldBe([six]);
        due.Next.ShouldBe(six.AddHours(1));
        due.MissedSince.ShouldBeNull();
    }

    [Theory]
    [InlineData(Missed.Once, new[] { 9 })]
    [InlineData(Missed.Skip, new int[0])]
    [InlineData(Missed.All, new[] { 6, 7, 8, 9 })]
    public void After_hours_away_the_rule_is_kept_exactly(Missed missed, int[] hours)
    {
        var due = DueTimes.Of(hourly, six, six.AddMinutes(3 * 60 + 40), missed, isOneAtATime: false);

        due.Runs.Select(run => run.Hour).ShouldBe(hours);
        due.Next.ShouldBe(six.AddHours(4));
        due.MissedSince.ShouldBe(six);
    }

    [Fact]
    public void Who_comes_back_right_after_a_planned_time_is_on_time_for_that_one()
    {
        var due = DueTimes.Of(hourly, six, six.AddHours(3).AddSeconds(30), Missed.Skip, isOneAtATime: false);

        due.Runs.ShouldBe([six.AddHours(3)]);
        due.MissedSince.ShouldBe(six);
    }

    [Fact]
    public void One_at_a_time_is_the_oldest_first()
    {
        var due = DueTimes.Of(hourly, six, six.AddHours(3), Missed.All, isOneAtATime: true);

        due.Runs.ShouldBe([six]);
        due.Next.ShouldBe(six.AddHours(1));
    }

    [Fact]
    public void A_year_of_seconds_is_a_hundred_runs()
    {
        var now = six.AddDays(365);

        var due = DueTimes.Of(Schedule.Every(TimeSpan.FromSeconds(1)), six, now, Missed.All, isOneAtATime: false);

        due.Runs.Count.ShouldBe(DueTimes.Most);
        due.Runs[^1].ShouldBe(now);
        due.Runs[0].ShouldBe(now.AddSeconds(-99));
        DueTimes.Of(Schedule.Every(TimeSpan.FromSeconds(1)), six, now, Missed.Once, isOneAtATime: false).Runs.ShouldBe([now]);
    }

    [Fact]
    public void Ten_years_of_nights_are_found_too()
    {
        var due = DueTimes.Of(Schedule.Cron("0 6 1 1 *"), six, six.AddYears(10), Missed.All, isOneAtATime: false);

        due.Runs[0].ShouldBe(six);
        due.Runs.Count.ShouldBe(11);
    }
}
