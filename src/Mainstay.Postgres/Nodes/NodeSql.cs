namespace Mainstay.Internal;

/// <summary>All statements about nodes and their leases.</summary>
internal static class NodeSql
{
    /// <summary>
    /// Renews the one lease of a node, whatever it holds, and tells what nodes want to know as often: how many others are alive and when the first of their leases will be
    /// over, whether somebody dead holds jobs, whether a redrive goes on, and whether there is work that the handlers in $4 and $5 do not look for.
    /// </summary>
    public const string Extend = """
        with lease as (
            insert into mainstay.nodes (id, name, lease_until) values ($1, $2, mainstay.now() + $3)
            on conflict (id) do update set lease_until = excluded.lease_until
        ), others as (
            select count(*) as count, min(lease_until) - mainstay.now() as first_end from mainstay.nodes where lease_until > mainstay.now() and id <> $1
        )
        select others.count, others.first_end,
            exists (select from mainstay.nodes lost where lease_until <= mainstay.now() and exists (select from mainstay.jobs where node = lost.id and state = 1)),
            exists (select from mainstay.redrives where status = 'running'), mainstay.has_astray($4, $5)
        from others
        """;

    /// <summary>Ends it, so that what is left can be taken over at once.</summary>
    public const string End = "update mainstay.nodes set lease_until = mainstay.now() where id = $1";

    /// <summary>Dead nodes are kept for a day: whoever is behind in noticing its end may still take something in its name. And for as long as they hold something, because by their rows it is found.</summary>
    public const string DeleteDead = "delete from mainstay.nodes dead where lease_until < mainstay.now() - interval '1 day' and not exists (select from mainstay.jobs where node = dead.id and state = 1)";
}
