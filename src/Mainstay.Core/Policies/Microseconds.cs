namespace Mainstay.Internal;

/// <summary>PostgreSQL keeps microseconds, .NET tenths of them. Cut before storing and before comparing, so that both sides see the same instant.</summary>
internal static class Microseconds
{
    public static DateTimeOffset Truncate(DateTimeOffset value) => new(value.UtcTicks - (value.UtcTicks % TimeSpan.TicksPerMicrosecond), TimeSpan.Zero);

    public static TimeOnly Truncate(TimeOnly value) => new(value.Ticks - (value.Ticks % TimeSpan.TicksPerMicrosecond));

    public static TimeSpan Truncate(TimeSpan value) => new(value.Ticks - (value.Ticks % TimeSpan.TicksPerMicrosecond));
}
