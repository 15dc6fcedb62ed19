namespace Mainstay.Internal;

/// <summary>How the database of a test becomes empty again. Rows of the framework are deleted and not truncated, because nodes are at their tables all the time.</summary>
internal static class ResetSql
{
    public const string Framework = """
        delete from mainstay.jobs;
        delete from mainstay.jobs_done;
        delete from mainstay.jobs_dead;
        delete from mainstay.jobs_unique;
        delete from mainstay.jobs_stopped;
        delete from mainstay.redrives;
        delete from mainstay.inbox;
        delete from mainstay.operations;
        delete from mainstay.receipts;
        delete from mainstay.receipts_before;
        delete from mainstay.audit;
        delete from mainstay.rate_limits;
        delete from mainstay_testing.applied;
        delete from mainstay_testing.sent;
        """;

    /// <summary>The tables of the application, all at once because they refer to each other; null when there are none.</summary>
    public const string Application = """
        select 'truncate ' || string_agg(format('public.%I', table_name), ', ') || ' restart identity cascade'
        from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'
        """;
}
