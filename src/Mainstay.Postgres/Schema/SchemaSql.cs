namespace Mainstay.Internal;

/// <summary>The statements of the start-up step. What the application's tables need is in <see cref="Ddl"/>.</summary>
internal static class SchemaSql
{
    /// <summary>
    /// The number of the newest file of Mainstay's own tables that the database has; compare with <see cref="SchemaFiles.Newest"/>. Fails with
    /// 42P01 on a database that was never prepared.
    /// </summary>
    public const string Version = "select coalesce(max(number), 0) from mainstay.migrations";

    public const string IsPrepared = "select to_regclass('mainstay.migrations') is not null, to_regnamespace('mainstay') is not null";

    public const string CreateSchema = "create schema mainstay";

    public const string CreateMigrations = """
        create table mainstay.migrations (
            number integer not null primary key,
            name text not null,
            checksum text not null,
            at timestamptz not null default now()
        )
        """;

    public const string ReadMigrations = "select number, name, checksum from mainstay.migrations order by number";

    /// <summary>
    /// Transaction-scoped, so it works behind a pooler. Tried again and again instead of waited for: a waiting statement holds a snapshot, for which
    /// a concurrent index build elsewhere would wait in turn, and that is a deadlock.
    /// </summary>
    public const string TryLock = "select pg_try_advisory_xact_lock(5566811215160951129)";

    /// <summary>A start waits a moment for a table that is in use, then gives up with an error: a lock request that waits makes all later queries wait behind it.</summary>
    public static string Limits(TimeSpan lockTimeout, TimeSpan statementTimeout) =>
        $"set local lock_timeout = {(long)lockTimeout.TotalMilliseconds}; set local statement_timeout = {(long)statementTimeout.TotalMilliseconds}";

    /// <summary>Those of the schemas $1 that are there, and whether this role may use what is in them. In public everybody may; in others nobody but the owner.</summary>
    public const string Schemas = "select nspname::text, has_schema_privilege(oid, 'usage') from pg_catalog.pg_namespace where nspname = any($1) order by 1";

    /// <summary>
    /// Tables with the names $1 in whatever schema, as pairs of schema and name, that look as if Mainstay had made them. Neither its own nor PostgreSQL's: where the
    /// table of a resource can be that has been in another schema before.
    /// </summary>
    public const string Elsewhere = $"""
        select n.nspname::text, c.relname::text
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relname = any($1) and c.relkind in ('r', 'p') and n.nspname not in ('mainstay', 'information_schema') and n.nspname !~ '^pg_'
            and exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = '{TableModel.VersionColumn}' and not a.attisdropped)
        """;

    /// <summary>
    /// Four results about the tables with the names $2 in the schema $1 ('pg_temp' is the session's own): the tables, their columns, their
    /// constraints, their indexes. What only PostgreSQL can spell is left in its spelling, and compared with what it makes of the declared tables.
    /// </summary>
    public static IReadOnlyList<string> Catalog { get; } =
    [
        $"""
        select c.relname, c.relkind in ('r', 'p')
        from pg_catalog.pg_class c
        where {Chosen} and c.relkind not in ('i', 'I', 't')
        """,
        $"""
        select c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
            a.attidentity <> '' or a.attgenerated <> '', pg_catalog.pg_get_expr(d.adbin, d.adrelid)
        from pg_catalog.pg_class c
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where {Chosen} and c.relkind in ('r', 'p')
        order by c.relname, a.attnum
        """,
        $"""
        select c.relname, k.conname, k.contype::text, pg_catalog.pg_get_constraintdef(k.oid), k.convalidated,
            array(select a.attname::text from unnest(k.conkey) with ordinality as key (number, place)
                join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = key.number order by key.place),
            n.nspname, f.relname, k.confdeltype::text
        from pg_catalog.pg_class c
        join pg_catalog.pg_constraint k on k.conrelid = c.oid
        left join pg_catalog.pg_class f on f.oid = k.confrelid
        left join pg_catalog.pg_namespace n on n.oid = f.relnamespace
        where {Chosen} and c.relkind in ('r', 'p') and k.contype in ('p', 'u', 'c', 'f')
        order by c.relname, k.conname
        """,
        $"""
        select c.relname, i.relname, x.indisvalid, x.indisunique and x.indpred is null,
            regexp_replace(pg_catalog.pg_get_indexdef(x.indexrelid), '^.*? USING ', ''),
            array(select a.attname::text from unnest(x.indkey::smallint[]) with ordinality as key (number, place)
                join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = key.number order by key.place)
        from pg_catalog.pg_class c
        join pg_catalog.pg_index x on x.indrelid = c.oid
        join pg_catalog.pg_class i on i.oid = x.indexrelid
        where {Chosen} and c.relkind in ('r', 'p')
            and not exists (select from pg_catalog.pg_constraint k where k.conindid = x.indexrelid and k.contype in ('p', 'u', 'x'))
        order by c.relname, i.relname
        """,
    ];

    private const string Chosen = "c.relnamespace = (case $1 when 'pg_temp' then pg_catalog.pg_my_temp_schema() else to_regnamespace(quote_ident($1))::oid end) and c.relname = any($2)";
}
