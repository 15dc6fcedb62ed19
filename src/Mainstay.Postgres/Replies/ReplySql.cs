namespace Mainstay.Internal;

/// <summary>All statements about replies.</summary>
internal static class ReplySql
{
    /// <summary>
    /// Says that somebody waits, unless the same has been asked before and will still be answered, or has been. What was asked before and came to nothing is asked anew.
    /// </summary>
    public static Sql Ask(Guid id, TimeSpan within, TimeSpan kept) => $"""
        insert into mainstay.replies as known (id, asked_until, kept_until) values ({id}, mainstay.now() + {within}, mainstay.now() + {kept})
        on conflict (id) do update set asked_until = excluded.asked_until, kept_until = excluded.kept_until, reply = null, problem = null
        where known.kept_until <= mainstay.now() or known.problem is not null or (known.reply is null and known.asked_until <= mainstay.now())
        """;

    /// <summary>Nothing when nobody waits any more, or when it has been answered.</summary>
    public static Sql Answer(Guid id, StoredReply reply) => $"update mainstay.replies set reply = {reply.Reply}::json, problem = {reply.Problem}::json where id = {id} and reply is null and problem is null";

    /// <summary>What there is of these.</summary>
    public const string Read = "select id, reply::text, problem::text from mainstay.replies where id = any($1) and (reply is not null or problem is not null)";

    /// <summary>Takes away what nobody waits for any more.</summary>
    public const string Drop = "delete from mainstay.replies where id = any($1)";
}
