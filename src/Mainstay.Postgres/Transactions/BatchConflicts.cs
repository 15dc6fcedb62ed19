using System.Text;
using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>
/// Everything that a refused batch conflicts with. PostgreSQL stops at the first violated constraint, and a client that must correct a hundred elements
/// should not be told of them one by one. Asked only after a refusal, in one round trip, so that a batch which succeeds pays nothing for it.
/// </summary>
internal static class BatchConflicts
{
    /// <summary>The refusal with the faults of all elements. What cannot be found again, because others have changed it meanwhile, stays as it was reported.</summary>
    /// <param name="refused">What the database refused.</param>
    /// <param name="database">To ask.</param>
    /// <param name="tables">All tables, for those that refer to this one.</param>
    /// <param name="table">The table of the rows.</param>
    /// <param name="rows">The rows as they should have become, or as they are when they should have been deleted, by the number of their element.</param>
    /// <param name="deadline">Of the call.</param>
    /// <param name="cancellation">Of the call.</param>
    public static async Task<ProblemException> ExplainAsync(ProblemException refused, Database database, Tables tables, TableModel table, IReadOnlyList<(int Number, object Row)> rows, Deadline deadline, CancellationToken cancellation)
    {
        Question[] questions =
            refused.Type == ProblemCatalogue.AlreadyExists ? [.. table.Indexes.Where(index => index.IsUnique).Select(index => Taken(table, index, rows))]
            : refused.Type == ProblemCatalogue.ReferenceNotFound ? [.. table.Columns.Where(column => column.Reference is not null).Select(column => Missing(column, rows))]
            : refused.Type == ProblemCatalogue.StillReferenced ? [.. tables.Models.SelectMany(child => child.Columns.Where(column => column.Reference == table).Select(column => Used(table, child, column, rows)))]
            : [];
        if (questions.Length == 0)
            return refused;
        var found = new List<(int Number, FieldError Error)>();
        foreach (var question in questions)
            found.AddRange(question.Known);
        await using var connection = await database.OpenAsync(deadline, cancellation);
        await using var batch = new NpgsqlBatch(connection);
        var asked = questions.Where(question => question.Command is not null).ToArray();
        foreach (var question in asked)
            batch.BatchCommands.Add(question.Command!);
        if (asked.Length > 0)
        {
            await using var reader = await batch.ExecuteReaderAsync(cancellation);
            foreach (var question in asked)
            {
                while (await reader.ReadAsync(cancellation))
                    found.AddRange(question.Errors((int)reader.GetInt64(0)));
                await reader.NextResultAsync(cancellation);
            }
        }
        var faults = new InputFaults();
        foreach (var error in found.OrderBy(fault => fault.Number).Select(fault => fault.Error).Concat(refused.Errors).DistinctBy(error => (error.Pointer, error.Code)))
            faults.Add(error);
        return faults.Count == refused.Errors.Count ? refused
            : new ProblemException(refused.Type, $"{faults.Count} faults; see errors{(faults.Count > InputFaults.Most ? $", which lists the first {InputFaults.Most}" : "")}. {refused.Message}", faults.Errors, refused);
    }

    /// <summary>Elements whose values another row has, or an earlier element of the same batch.</summary>
    private static Question Taken(TableModel table, TableModel.Index index, IReadOnlyList<(int Number, object Row)> rows)
    {
        // A null is not equal to another one, so a row with one conflicts with nothing.
        var complete = rows.Where(row => index.Columns.All(column => column.Member.Get(row.Row) is not null)).ToArray();
        IEnumerable<(int, FieldError)> Errors(int number, string detail) => index.Columns.Select(column => (number, FieldError.At(JsonPath.Root[number][column.Member.Name].ToString(), "unique", detail)));
        var repeated = complete.GroupBy(row => string.Join('\u001f', index.Columns.Select(column => column.Member.Scalar!.Text(column.Member.Get(row.Row)!))), StringComparer.Ordinal)
            .SelectMany(group => group.Skip(1).SelectMany(row => Errors(row.Number, $"Element {group.First().Number} has the same value.")));

        var text = new StringBuilder("select i.n from unnest(");
        var command = new NpgsqlBatchCommand();
        foreach (var column in index.Columns)
        {
            var values = Array.CreateInstance(column.Member.Property.PropertyType, complete.Length);
            for (var i = 0; i < complete.Length; i++)
                values.SetValue(column.Member.Get(complete[i].Row), i);
            command.Parameters.Add(SqlValue.Parameter(values, values.GetType()));
            text.Append('$').Append(command.Parameters.Count).Append(", ");
        }
        AddNumbers(command, complete);
        command.Parameters.Add(Ids(rows.Select(row => Id(table, row.Row))));
        text.Append('$').Append(command.Parameters.Count - 1).Append(") as i (").AppendJoin(", ", index.Columns.Select((_, i) => $"c{i}")).Append(", n) join ").Append(table.QuotedName)
            .Append(" t on ").AppendJoin(" and ", index.Columns.Select((column, i) => $"t.{column.QuotedName} = i.c{i}"))
            .Append(" where t.").Append(table.Key.QuotedName).Append(" <> all($").Append(command.Parameters.Count).Append(") limit 1000");
        command.CommandText = text.ToString();
        return new Question(command, number => Errors(number, "The value is taken.")) { Known = [.. repeated] };
    }

    /// <summary>Elements that name a row which does not exist.</summary>
    private static Question Missing(Column column, IReadOnlyList<(int Number, object Row)> rows)
    {
        var target = column.Reference!;
        var naming = rows.Where(row => column.Member.Get(row.Row) is not null).ToArray();
        var command = new NpgsqlBatchCommand($"select i.n from unnest($1, $2) as i (id, n) where not exists (select 1 from {target.QuotedName} t where t.{target.Key.QuotedName} = i.id) limit 1000");
        command.Parameters.Add(Ids(naming.Select(row => ((IId)column.Member.Get(row.Row)!).Value)));
        AddNumbers(command, naming);
        return new Question(command, number => [(number, FieldError.At(JsonPath.Root[number][column.Member.Name].ToString(), "reference", "There is no such id."))]);
    }

    /// <summary>Elements that other rows refer to.</summary>
    private static Question Used(TableModel table, TableModel child, Column column, IReadOnlyList<(int Number, object Row)> rows)
    {
        var command = new NpgsqlBatchCommand($"select i.n from unnest($1, $2) as i (id, n) where exists (select 1 from {child.QuotedName} c where c.{column.QuotedName} = i.id) limit 1000");
        command.Parameters.Add(Ids(rows.Select(row => Id(table, row.Row))));
        AddNumbers(command, rows);
        return new Question(command, number => [(number, FieldError.At(JsonPath.Root[number].ToString(), "referenced", $"It is still used by {child.Name}."))]);
    }

    private static Guid Id(TableModel table, object row) => ((IId)table.Key.Member.Get(row)!).Value;

    private static NpgsqlParameter<Guid[]> Ids(IEnumerable<Guid> ids) => new NpgsqlParameter<Guid[]> { TypedValue = [.. ids], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid };

    private static void AddNumbers(NpgsqlBatchCommand command, IEnumerable<(int Number, object Row)> rows) =>
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = [.. rows.Select(row => (long)row.Number)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });

    private sealed record Question(NpgsqlBatchCommand? Command, Func<int, IEnumerable<(int Number, FieldError Error)>> Errors)
    {
        /// <summary>What is known without asking.</summary>
        public IReadOnlyList<(int Number, FieldError Error)> Known { get; init; } = [];
    }
}
