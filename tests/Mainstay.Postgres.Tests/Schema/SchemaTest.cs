using Mainstay.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Mainstay.Tests.Schema;

/// <summary>A database per test: each one is about what a start makes of a database.</summary>
public abstract class SchemaTest(PostgresFixture postgres) : IAsyncLifetime
{
    private NpgsqlDataSource? source;

    internal static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    internal NpgsqlDataSource Source => source!;

    public async ValueTask InitializeAsync() => source = NpgsqlDataSource.Create(await postgres.CreateDatabaseAsync());

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await Source.DisposeAsync();
    }

    internal static TableModel Table<T>(string name, Action<TableModel>? declare = null)
    {
        var table = new TableModel(typeof(T), name);
        declare?.Invoke(table);
        return table;
    }

    internal Task<SchemaReport> StartAsync(params TableModel[] tables) => StartAsync(SchemaMode.Apply, tables);

    internal Task<SchemaReport> StartAsync(SchemaMode mode, params TableModel[] tables) => StartAsync(mode, new SchemaLimits(), tables);

    internal Task<SchemaReport> StartAsync(SchemaMode mode, SchemaLimits limits, params TableModel[] tables)
    {
        // Ties the references.
        var resolved = new Tables(tables);
        return SchemaStart.RunAsync(Source, resolved.Models, mode, NullLogger.Instance, Cancellation, limits);
    }

    internal async Task ExecuteAsync(string sql)
    {
        await using var command = Source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Cancellation);
    }

    internal async Task<T?> AskAsync<T>(string sql)
    {
        await using var command = Source.CreateCommand(sql);
        return await command.ExecuteScalarAsync(Cancellation) is T value ? value : default;
    }

    /// <summary>Everything in the schemas public and mainstay that a start could have made, as text.</summary>
    internal async Task<string> StructureAsync() => await AskAsync<string>("""
        select coalesce(string_agg(line, e'\n' order by line), '') from (
            select format('%s.%s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull)
                || coalesce((select ' default ' || pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = attrelid and adnum = attnum), '') as line
            from pg_attribute join pg_class c on c.oid = attrelid
            where relnamespace in (to_regnamespace('public'), to_regnamespace('mainstay')) and relkind = 'r' and attnum > 0 and not attisdropped
            union all
            select format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint where connamespace in (to_regnamespace('public'), to_regnamespace('mainstay'))
            union all
            select pg_get_indexdef(indexrelid) from pg_index join pg_class c on c.oid = indexrelid where relnamespace in (to_regnamespace('public'), to_regnamespace('mainstay'))
            union all
            select nspname from pg_namespace where nspname = 'mainstay') lines
        """) ?? "";
}
