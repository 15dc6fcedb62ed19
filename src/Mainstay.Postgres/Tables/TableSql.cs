using Npgsql;

namespace Mainstay.Internal;

/// <summary>The statements of one table by which units of work change single rows. Texts are made once, so that each is prepared once per connection.</summary>
internal sealed class TableSql(TableModel table)
{
    private readonly string _where = $"where {table.Key.QuotedName} = $1";

    public string Find { get; } = $"select {table.ColumnList}, {TableModel.VersionColumn} from {table.QuotedName} where {table.Key.QuotedName} = $1";

    public string Lock { get; } = $"select {table.ColumnList}, {TableModel.VersionColumn} from {table.QuotedName} where {table.Key.QuotedName} = $1 for update";

    /// <summary>Several rows, locked in the order of their ids, so that two that lock overlapping sets wait for each other and not in a circle.</summary>
    public string LockAll => field ??= $"{FindAll} order by {table.Key.QuotedName} for update";

    public string FindAll => field ??= $"select {table.ColumnList}, {TableModel.VersionColumn} from {table.QuotedName} where {table.Key.QuotedName} = any($1)";

    public string Insert { get; } = $"insert into {table.QuotedName} ({table.ColumnList}) values ({string.Join(", ", table.Columns.Select((_, i) => $"${i + 1}"))})";

    private string InsertMany => field ??= $"insert into {table.QuotedName} ({table.ColumnList}) select * from unnest({string.Join(", ", table.Columns.Select((_, i) => $"${i + 1}"))})";

    private string Set => field ??= $"update {table.QuotedName} set {string.Join(", ", Changeable.Select((column, i) => $"{column.QuotedName} = ${i + 2}"))}, {TableModel.VersionColumn} = {TableModel.VersionColumn} + 1";

    private Column[] Changeable => field ??= [.. table.Columns.Where(column => column != table.Key)];

    /// <summary>Update of a row that this transaction has locked: it is there, and nobody else has changed it.</summary>
    private string UpdateLocked => field ??= $"{Set} {_where}";

    /// <summary>Update of a row that was read without a lock: refuses (SQLSTATE MS001) when somebody changed it since.</summary>
    private string UpdateUnchanged => field ??=
        $"with changed as ({Set} {_where} and {TableModel.VersionColumn} = ${table.Columns.Count + 1} returning 1) select mainstay.demand((select count(*) from changed) = 1, {SqlName.Literal(table.FullName)})";

    private string DeleteLocked => field ??= $"delete from {table.QuotedName} {_where}";

    private string DeleteUnchanged => field ??=
        $"with changed as (delete from {table.QuotedName} {_where} and {TableModel.VersionColumn} = $2 returning 1) select mainstay.demand((select count(*) from changed) = 1, {SqlName.Literal(table.FullName)})";

    public NpgsqlBatchCommand InsertRow(object row)
    {
        var command = new NpgsqlBatchCommand(Insert);
        foreach (var column in table.Columns)
            command.Parameters.Add(column.Parameter(column.Member.Get(row)));
        return command;
    }

    /// <summary>Any number of new rows in one statement, which has the same text and the same plan for every number.</summary>
    public NpgsqlBatchCommand InsertRows(IReadOnlyList<object> rows)
    {
        var command = new NpgsqlBatchCommand(InsertMany);
        foreach (var column in table.Columns)
            command.Parameters.Add(column.Parameters(rows));
        return command;
    }

    /// <param name="row">The row as it shall be.</param>
    /// <param name="unlockedVersion">The version that was read, when the row is not locked; null when it is.</param>
    public NpgsqlBatchCommand UpdateRow(object row, long? unlockedVersion)
    {
        var command = new NpgsqlBatchCommand(unlockedVersion is null ? UpdateLocked : UpdateUnchanged);
        command.Parameters.Add(table.Key.Parameter(table.Key.Member.Get(row)));
        foreach (var column in Changeable)
            command.Parameters.Add(column.Parameter(column.Member.Get(row)));
        if (unlockedVersion is { } version)
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = version });
        return command;
    }

    public NpgsqlBatchCommand DeleteRow(object row, long? unlockedVersion)
    {
        var command = new NpgsqlBatchCommand(unlockedVersion is null ? DeleteLocked : DeleteUnchanged);
        command.Parameters.Add(table.Key.Parameter(table.Key.Member.Get(row)));
        if (unlockedVersion is { } version)
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = version });
        return command;
    }

    /// <summary>Makes the row that the reader stands on, which has the columns in the order of <see cref="TableModel.ColumnList"/>.</summary>
    public object ReadRow(NpgsqlDataReader reader)
    {
        var values = new object?[table.Columns.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = reader.IsDBNull(i) ? null : table.Columns[i].Type.Read(reader, i);
        return table.Record.Create(values);
    }
}
