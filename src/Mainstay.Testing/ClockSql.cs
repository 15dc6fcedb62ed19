using System.Globalization;

namespace Mainstay.Internal;

/// <summary>How the clock of a test's database is moved.</summary>
internal static class ClockSql
{
    /// <summary>The same function as in an application, and so the same plans; only ahead.</summary>
    public static string Set(TimeSpan ahead) => string.Create(CultureInfo.InvariantCulture, $"""
        create or replace function mainstay.now() returns timestamptz language sql stable parallel safe as 'select pg_catalog.now() + interval ''{ahead.Ticks / TimeSpan.TicksPerMicrosecond} microseconds'''
        """);

    /// <summary>Lets leases that were held in the moment before last as long after it. Those that are over stay over, and so do those of nodes that were killed.</summary>
    public const string KeepLeases = $"update mainstay.nodes set lease_until = lease_until + $1 where lease_until > mainstay.now() - $1 and {Lives}";

    public const string KeepLateLeases = $"update mainstay.nodes set lease_until = lease_until + $1 where lease_until <= mainstay.now() and lease_until > mainstay.now() - $1 and {Lives}";

    private const string Lives = "not exists (select from mainstay_testing.killed where node = id)";
}
