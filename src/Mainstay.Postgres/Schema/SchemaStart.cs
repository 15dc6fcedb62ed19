using System.Data;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// The start-up step that brings the database to what the application declares, or refuses the start. Everything happens in one transaction:
/// <code>
/// 1. take the lock that all starting nodes share; whoever is second finds nothing left to do
/// 2. Mainstay's own files: which are recorded, which are missing, was one changed, is the database newer
/// 3. the application's tables: outlines of the declared ones as temporary tables, read back, compared with those that exist
/// 4. apply: each change behind a savepoint, so that all refusals are found at once; any refusal rolls everything back
///    check: any difference is a refusal
/// </code>
/// A process that dies anywhere in it leaves nothing; one that dies while committing leaves everything or nothing, and the next start finds out.
/// </summary>
internal static class SchemaStart
{
    private const int AttemptsMost = 3;

    /// <exception cref="ConfigurationException">MST1501 to MST1510: see docs/errors.</exception>
    public static async Task<SchemaReport> RunAsync(
        NpgsqlDataSource source, IReadOnlyList<TableModel> tables, SchemaMode mode, ILogger log, CancellationToken cancellation, SchemaLimits? limits = null)
    {
        limits ??= new SchemaLimits();
        SchemaMistakes.Refuse(tables);
        if (mode == SchemaMode.Off)
            return SchemaReport.NotLooked;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await RunOnceAsync(source, tables, mode, log, limits, cancellation);
            }
            catch (PostgresException e) when (attempt < AttemptsMost && e.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.LockNotAvailable)
            {
                SchemaLog.Retry(log, attempt, e.MessageText);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
            {
                throw SchemaErrors.InUse(e, limits.Lock);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.QueryCanceled)
            {
                throw SchemaErrors.TooSlow(e, limits.Statement);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
            {
                throw SchemaErrors.Denied(e);
            }
        }
    }

    /// <summary>Everything that an empty database needs, to be run by hand: after it, a start in the mode Check finds no difference.</summary>
    public static IReadOnlyList<string> Script(IReadOnlyList<TableModel> tables)
    {
        SchemaMistakes.Refuse(tables);
        return
        [
            SchemaSql.CreateSchema + ";",
            SchemaSql.CreateMigrations + ";",
            .. SchemaFiles.All.Select(file => file.Script),
            .. new Ddl().Create(tables).Select(statement => statement.Sql + ";"),
        ];
    }

    private static async Task<SchemaReport> RunOnceAsync(NpgsqlDataSource source, IReadOnlyList<TableModel> tables, SchemaMode mode, ILogger log, SchemaLimits limits, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellation);
        await ExecuteAsync(connection, SchemaSql.Limits(limits.Lock, limits.Statement), cancellation);
        await LockAsync(connection, log, limits.OtherNode, cancellation);

        var files = await FindMissingFilesAsync(connection, cancellation);
        var (changes, notes) = await CompareAsync(connection, transaction, tables, cancellation);
        changes = [.. files, .. changes];

        if (mode == SchemaMode.Check)
        {
            // What an older release does not declare any more, or not yet, must not keep it from starting beside the newer one.
            var leftovers = changes.Where(change => change is { Kind: SchemaChangeKind.Remove, IsAdditive: true }).ToArray();
            if (changes.Count > leftovers.Length)
                throw SchemaErrors.Differs([.. changes.Except(leftovers)]);
            notes = [.. notes, .. leftovers.Select(change => $"{change.Description} It can go: {change.Sql}")];
            changes = [];
        }
        else
        {
            await ApplyAsync(connection, transaction, changes, cancellation);
            await transaction.CommitAsync(cancellation);
        }

        foreach (var change in changes)
            SchemaLog.Applied(log, change);
        foreach (var note in notes)
            SchemaLog.Note(log, note);
        return new SchemaReport(changes, notes, SchemaFiles.Newest);
    }

    private static async Task LockAsync(NpgsqlConnection connection, ILogger log, TimeSpan patience, CancellationToken cancellation)
    {
        var started = Stopwatch.GetTimestamp();
        for (var attempt = 1; !await AskAsync(connection, SchemaSql.TryLock, cancellation); attempt++)
        {
            if (Stopwatch.GetElapsedTime(started) > patience)
                throw SchemaErrors.OtherNode(patience);
            if (attempt == 10)
                SchemaLog.Waiting(log);
            await Task.Delay(Random.Shared.Next(20, 50 + (50 * Math.Min(attempt, 4))), cancellation);
        }
    }

    private static async Task<IReadOnlyList<SchemaChange>> FindMissingFilesAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        var (isPrepared, hasSchema) = await ReadPreparedAsync(connection, cancellation);
        var applied = isPrepared ? await ReadMigrationsAsync(connection, cancellation) : [];
        if (applied.Count > 0 && applied.Keys.Max() is var newest && newest > SchemaFiles.Newest)
            throw SchemaErrors.Newer(newest, SchemaFiles.Newest);
        foreach (var file in SchemaFiles.All)
            if (applied.TryGetValue(file.Number, out var checksum) && checksum != file.Checksum)
                throw SchemaErrors.FileChanged(file, checksum);

        static SchemaChange Own(string description, string sql) => new() { Step = SchemaStep.Table, Kind = SchemaChangeKind.Add, Table = "mainstay", Description = description, Sql = sql };
        // 'if not exists' would ask for the right to create a schema although there is nothing to create.
        return
        [
            .. hasSchema ? [] : new[] { Own("Schema mainstay is new.", SchemaSql.CreateSchema + ";") },
            .. isPrepared ? [] : new[] { Own("Table mainstay.migrations is new.", SchemaSql.CreateMigrations + ";") },
            .. SchemaFiles.All.Where(file => !applied.ContainsKey(file.Number)).Select(file => Own($"Mainstay's own tables: {file.Name}.", file.Script)),
        ];
    }

    private static async Task<SchemaDifference> CompareAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<TableModel> tables, CancellationToken cancellation)
    {
        var ddl = new Ddl();
        var existing = new Catalog();
        await existing.ReadAsync(connection, tables, cancellation);
        var declared = await DeclareAsync(connection, transaction, [.. tables.Where(table => existing.Find(table) is { IsTable: true })], cancellation);
        var filled = new HashSet<TableModel>();
        foreach (var table in SchemaDiff.WhoseRowsMatter(tables, existing))
            if (await AskAsync(connection, $"select exists (select from {ddl.Of(table)})", cancellation))
                filled.Add(table);
        var schemas = await FindSchemasAsync(connection, [.. Ddl.SchemasOf(tables)], cancellation);
        var elsewhere = await FindElsewhereAsync(connection, tables, [.. tables.Where(table => existing.Find(table) is null)], cancellation);
        return new SchemaDiff(ddl).Compare(tables, declared, existing, schemas, elsewhere, filled);
    }

    /// <summary>Creates the outlines of the tables as temporary ones, reads them back in PostgreSQL's spelling, and takes them away again.</summary>
    private static async Task<Catalog> DeclareAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<TableModel> tables, CancellationToken cancellation)
    {
        const string temporary = "pg_temp";
        const string savepoint = "declared";
        var ddl = new Ddl(temporary);
        var declared = new Catalog();
        // One after the other, because names are unique only within a schema.
        foreach (TableModel[] schema in tables.GroupBy(table => table.Schema).Select(group => group.ToArray()))
        {
            await transaction.SaveAsync(savepoint, cancellation);
            await ExecuteAsync(connection, SchemaChange.Statements(schema.SelectMany(table =>
                Ddl.IndexesOf(table).Select(index => ddl.CreateIndex(table, index)).Prepend(ddl.CreateOutline(table)))), cancellation);
            await declared.ReadAsync(connection, temporary, schema, cancellation);
            await transaction.RollbackAsync(savepoint, cancellation);
        }
        return declared;
    }

    /// <exception cref="ConfigurationException">MST1509: one of them may not be used, so that every request would fail.</exception>
    private static async Task<HashSet<string>> FindSchemasAsync(NpgsqlConnection connection, string[] names, CancellationToken cancellation)
    {
        HashSet<string> found = [];
        List<string> closed = [];
        if (names.Length == 0)
            return found;
        await using var command = new NpgsqlCommand(SchemaSql.Schemas, connection) { Parameters = { new() { Value = names } } };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            found.Add(reader.GetString(0));
            if (!reader.GetBoolean(1))
                closed.Add(reader.GetString(0));
        }
        return closed.Count == 0 ? found : throw SchemaErrors.Closed(closed);
    }

    /// <summary>Of the tables that are missing, those of which there is one in another schema that nobody declares, and only one.</summary>
    private static async Task<Dictionary<TableModel, string>> FindElsewhereAsync(NpgsqlConnection connection, IReadOnlyList<TableModel> tables, IReadOnlyList<TableModel> missing, CancellationToken cancellation)
    {
        if (missing.Count == 0)
            return [];
        await using var command = new NpgsqlCommand(SchemaSql.Elsewhere, connection) { Parameters = { new() { Value = missing.Select(table => table.Name).ToArray() } } };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<(string Schema, string Name)> found = [];
        while (await reader.ReadAsync(cancellation))
            found.Add((reader.GetString(0), reader.GetString(1)));
        var strays = found.Where(stray => !tables.Any(table => (table.Schema, table.Name) == stray)).ToLookup(stray => stray.Name, stray => stray.Schema);
        return missing.Where(table => strays[table.Name].Count() == 1).ToDictionary(table => table, table => strays[table.Name].Single());
    }

    private static async Task ApplyAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<SchemaChange> changes, CancellationToken cancellation)
    {
        const string savepoint = "change";
        var refused = new List<SchemaChange>();
        foreach (var change in changes)
        {
            if (!change.IsAdditive)
            {
                refused.Add(change);
                continue;
            }
            await transaction.SaveAsync(savepoint, cancellation);
            try
            {
                await ExecuteAsync(connection, change.Sql, cancellation);
                await transaction.ReleaseAsync(savepoint, cancellation);
            }
            catch (PostgresException e) when (IsRefusal(e))
            {
                await transaction.RollbackAsync(savepoint, cancellation);
                // Of the error only its first line: the detail names values of rows.
                refused.Add(change with { WhyNot = $"PostgreSQL refused it: {e.MessageText}.{(change.Offenders is { } query ? $" Find the rows with: {query};" : "")}" });
            }
        }
        if (refused.Count > 0)
            throw SchemaErrors.NotAdditive(refused, changes.Count - refused.Count);
    }

    /// <summary>Whether the statement itself does not fit the database or its rows, as opposed to locks, rights and connections.</summary>
    private static bool IsRefusal(PostgresException e) => e.SqlState != PostgresErrorCodes.InsufficientPrivilege && e.SqlState[..2] is "0A" or "22" or "23" or "2B" or "42" or "54" or "55" && e.SqlState != PostgresErrorCodes.LockNotAvailable;

    private static async Task<(bool IsPrepared, bool HasSchema)> ReadPreparedAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(SchemaSql.IsPrepared, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return (reader.GetBoolean(0), reader.GetBoolean(1));
    }

    private static async Task<Dictionary<int, string>> ReadMigrationsAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(SchemaSql.ReadMigrations, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var applied = new Dictionary<int, string>();
        while (await reader.ReadAsync(cancellation))
            applied.Add(reader.GetInt32(0), reader.GetString(2));
        return applied;
    }

    private static async Task<bool> AskAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (bool)(await command.ExecuteScalarAsync(cancellation))!;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        // The server's own statement timeout ends it; the client's would leave the outcome open.
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
