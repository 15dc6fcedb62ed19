namespace Mainstay.Internal;

/// <summary>All statements about replies.</summary>
internal static class ReplySql
{
    /// <summary>Says that somebody waits.</summary>
    public static Sql Ask(Guid id, TimeSpan within) => $"insert into mainstay.replies (id, asked_until, kept_until) values ({id}, mainstay.now() + {within}, mainstay.now() + {within})";

    /// <summary>
    /// Takes the key from a request that came to nothing, or whose reply is no longer kept. Its row stays for whoever still waits for that. A unit of work that is about to reply holds the row, and is waited for.
    /// </summary>
    public static Sql FreeKey(Guid key) => $"""
        update mainstay.replies set key = null, kept_until = least(kept_until, mainstay.now() + interval '1 hour')
        where key = {key} and (kept_until <= mainstay.now() or problem is not null or (reply is null and asked_until <= mainstay.now()))
        """;

    /// <summary>Says that somebody waits, unless the same has been asked before.</summary>
    public static Sql AskOnce(Guid id, Guid key, TimeSpan within, TimeSpan kept) => $"""
        insert into mainstay.replies (id, key, asked_until, kept_until) values ({id}, {key}, mainstay.now() + {within}, mainstay.now() + {kept}) on conflict on constraint replies_key_key do nothing
        """;

    /// <summary>What has been asked with the key, how long somebody still waits for it, and what there is of it.</summary>
    public static Sql FindByKey(Guid key) => $"select id, asked_until - mainstay.now() as left, reply::text as reply, problem::text as problem from mainstay.replies where key = {key}";

    /// <summary>Keeps others from taking the key until the transaction ends. Nothing when one has, or when there is a reply.</summary>
    public static Sql Hold(Guid id) => $"select id from mainstay.replies where id = {id} and key is not null and reply is null and problem is null for no key update";

    /// <summary>Nothing when nobody waits any more, or when it has been answered.</summary>
    public static Sql Answer(Guid id, StoredReply reply) => $"update mainstay.replies set reply = {reply.Reply}::json, problem = {reply.Problem}::json where id = {id} and reply is null and problem is null";

    /// <summary>What there is of these.</summary>
    public const string Read = "select id, reply::text, problem::text from mainstay.replies where id = any($1) and (reply is not null or problem is not null)";

    /// <summary>Takes away what nobody waits for any more. What is being answered just now goes later, with what was forgotten.</summary>
    public const string Drop = "delete from mainstay.replies where id = any(array(select id from mainstay.replies where id = any($1) for update skip locked))";
}
