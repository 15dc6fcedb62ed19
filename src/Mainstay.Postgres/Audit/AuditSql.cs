using System.Buffers;
using System.Text;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>The audit trail: one entry per changed row, in the transaction that changes it.</summary>
internal static class AuditSql
{
    private const string InsertAll = """
        insert into mainstay.audit (id, at, operation, actor, request_id, trace_parent, action, resource, row_id, before, after)
        select entry.id, mainstay.now(), $1, $2, $3, $4, entry.action, entry.resource, entry.row_id, entry.before, entry.after
        from unnest($5, $6, $7, $8, $9, $10) as entry (id, action, resource, row_id, before, after)
        """;

    /// <summary>One statement for all changes of a unit of work.</summary>
    public static NpgsqlBatchCommand Insert(IReadOnlyList<RowChange> changes, Origin origin)
    {
        var command = new NpgsqlBatchCommand(InsertAll);
        void Text(string? value) => command.Parameters.Add(new NpgsqlParameter { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        void Array<T>(NpgsqlDbType type, Func<RowChange, T> select) =>
            command.Parameters.Add(new NpgsqlParameter<T[]> { TypedValue = [.. changes.Select(select)], NpgsqlDbType = NpgsqlDbType.Array | type });
        Text(origin.Operation);
        Text(origin.Actor);
        Text(origin.RequestId);
        Text(origin.TraceParent);
        Array(NpgsqlDbType.Uuid, _ => Guid.CreateVersion7());
        Array(NpgsqlDbType.Text, change => change.Kind switch { ChangeKind.Insert => "insert", ChangeKind.Update => "update", _ => "delete" });
        Array(NpgsqlDbType.Text, change => change.Table.Name);
        Array(NpgsqlDbType.Uuid, change => change.Id);
        Array(NpgsqlDbType.Jsonb, change => Json(change.Table, change.Before));
        Array(NpgsqlDbType.Jsonb, change => Json(change.Table, change.After));
        return command;
    }

    private static string? Json(TableModel table, object? row)
    {
        if (row is null)
            return null;
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, JsonFormat.Writer))
            table.Write(writer, row);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
