namespace Mainstay.Internal;

/// <summary>All statements about rate limits.</summary>
internal static class RateLimitSql
{
    /// <summary>
    /// Takes requests from a caller's window, or begins the next one, as one statement whose row lock makes nodes take turns.
    /// <code>
    /// $1 caller and policy   $2 limit   $3 needed at least   $4 window   $5 the lease: more than needed, while plenty is left
    /// </code>
    /// A lease is at most a quarter of what is left, so that the last requests of a window go to whichever node needs them. The first request of a window
    /// takes no lease: most callers do not come often enough to use one.
    /// </summary>
    public const string Take = """
        insert into mainstay.rate_limits as known (key, used, granted, ends_at)
        values ($1, least($2, $3), least($2, $3), mainstay.now() + $4)
        on conflict (key) do update set
            granted = case when known.ends_at <= mainstay.now() then excluded.granted
                else least(greatest($2 - known.used, 0), greatest($3, least($5, ($2 - known.used) / 4))) end,
            used = case when known.ends_at <= mainstay.now() then excluded.used
                else known.used + least(greatest($2 - known.used, 0), greatest($3, least($5, ($2 - known.used) / 4))) end,
            ends_at = case when known.ends_at <= mainstay.now() then excluded.ends_at else known.ends_at end
        returning granted, greatest($2 - used, 0), ends_at, ends_at - mainstay.now()
        """;

    /// <summary>Puts one request back into the window that it was taken from.</summary>
    public const string Return = "update mainstay.rate_limits set used = used - 1 where key = $1 and ends_at = $2 and used > 0";

    /// <summary>So many at once, <see cref="EndedMost"/>.</summary>
    public const string DeleteEnded = """
        delete from mainstay.rate_limits where key in
            (select key from mainstay.rate_limits where ends_at <= mainstay.now() order by ends_at limit 1000 for update skip locked)
        """;

    public const int EndedMost = 1000;
}
