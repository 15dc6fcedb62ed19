namespace Mainstay.Internal;

/// <summary>
/// How the database of a test becomes empty again. Done by the superuser, past the triggers that keep an application from taking back what is final. Rows of queues are deleted and
/// not truncated, because nodes are at their tables all the time.
/// </summary>
internal static class ResetSql
{
    /// <summary>Deletes what nobody who lives has begun, so that nobody does.</summary>
    public const string DropWaiting = $"""
        delete from mainstay.redrives;
        delete from mainstay.jobs job where not (state = 1 and node in {Living});
        delete from mainstay.operations operation where not (status = 'running' and node in {Living});
        """;

    /// <summary>Whether anything is left that has begun, or a planned time has come that is about to enqueue something ($1 are the schedules).</summary>
    public const string IsBusy = """
        select exists (select from mainstay.jobs) or exists (select from mainstay.operations)
            or exists (select from mainstay.schedules where next_at <= mainstay.now() and paused_at is null and name = any($1))
        """;

    public const string Framework = """
        set session_replication_role = replica;
        delete from mainstay.jobs;
        delete from mainstay.jobs_done;
        delete from mainstay.jobs_dead;
        delete from mainstay.jobs_unique;
        delete from mainstay.jobs_stopped;
        delete from mainstay.sagas;
        delete from mainstay.sagas_ended;
        delete from mainstay.saga_events;
        delete from mainstay.redrives;
        delete from mainstay.inbox;
        delete from mainstay.operations;
        delete from mainstay.receipts;
        delete from mainstay.receipts_before;
        delete from mainstay.audit;
        delete from mainstay.replies;
        delete from mainstay.rate_limits;
        delete from mainstay.lane_rates;
        delete from mainstay.signature_nonces;
        update mainstay.queue_rates set next_at = '-infinity';
        delete from mainstay_testing.applied;
        delete from mainstay_testing.sent;
        """;

    private const string Living = "(select id from mainstay.nodes where lease_until > mainstay.now() and not exists (select from mainstay_testing.killed where killed.node = id))";

    /// <summary>The tables whose rows are the application's ($1 are its schemas).</summary>
    public const string Tables = "select format('%I.%I', table_schema, table_name) from information_schema.tables where table_type = 'BASE TABLE' and (table_schema = any($1) or (table_schema = 'mainstay' and table_name like 'ledger\\_%')) order by 1";

    /// <summary>Empties tables, all at once because they refer to each other.</summary>
    public static string Truncate(IEnumerable<string> tables) => $"truncate {string.Join(", ", tables)} restart identity cascade;";
}
