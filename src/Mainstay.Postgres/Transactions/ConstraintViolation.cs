using Npgsql;

namespace Mainstay.Internal;

/// <summary>Turns a violated constraint into the problem that names the field at fault.</summary>
internal static class ConstraintViolation
{
    /// <param name="error">What PostgreSQL refused.</param>
    /// <param name="tables">To find the columns behind the constraint.</param>
    /// <param name="change">The change whose statement was refused, when it was one of ours.</param>
    /// <param name="isBulk">Whether changes are elements of an array that the client sent.</param>
    public static ProblemException? Translate(PostgresException error, Tables tables, RowChange? change, bool isBulk)
    {
        if (error.SqlState == PostgresErrorCodes.ProgramLimitExceeded && tables.FindIndex(error.SchemaName, error.TableName, error.ConstraintName) is { } index)
            return TooLong(index, isBulk && change is not null ? JsonPath.Root[change.Number] : JsonPath.Root);
        if (error.SqlState is not (PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.ForeignKeyViolation or PostgresErrorCodes.RestrictViolation
            or PostgresErrorCodes.CheckViolation or PostgresErrorCodes.ExclusionViolation or PostgresErrorCodes.NotNullViolation))
            return null;
        if (error.SqlState == PostgresErrorCodes.NotNullViolation)
            return NotNull(error, tables);
        if (tables.FindConstraint(error.SchemaName, error.ConstraintName) is not var (table, columns))
            return error.SchemaName == "mainstay" ? null : Foreign(error);

        var path = isBulk && change is not null ? JsonPath.Root[change.Number] : JsonPath.Root;
        var names = string.Join(" and ", columns.Select(column => $"'{column.Member.Name}'"));
        FieldError[] At(string code, string detail) => [.. columns.Select(column => FieldError.At(path[column.Member.Name].ToString(), code, detail))];
        switch (error.SqlState)
        {
            case PostgresErrorCodes.UniqueViolation:
                return ProblemCatalogue.AlreadyExists.Because($"Another of {table.Name} has the same {names}. Choose another value, or change the one that exists.", At("unique", "The value is taken."));
            // Version 18 has a state of its own for a row that is still used.
            case PostgresErrorCodes.RestrictViolation:
            case PostgresErrorCodes.ForeignKeyViolation when change is { Kind: ChangeKind.Delete } || (change is not null && change.Table != table):
                return ProblemCatalogue.StillReferenced.Because($"It is still used by {table.Name}. Delete or change those first.",
                    isBulk ? [FieldError.At(path.ToString(), "referenced", $"It is still used by {table.Name}.")] : []);
            case PostgresErrorCodes.ForeignKeyViolation:
                return ProblemCatalogue.ReferenceNotFound.Because($"{names} names something that does not exist. Use an id that does.", At("reference", "There is no such id."));
            default:
                return ProblemCatalogue.ValidationFailed.Because($"The database refused the value of {names}, which is outside its declared bounds.", At("check", "The value is outside its declared bounds."));
        }
    }

    /// <summary>A constraint that the database has beside the declared ones: what was refused is known, but not which member it is about.</summary>
    private static ProblemException Foreign(PostgresException error) => error.SqlState switch
    {
        PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.ExclusionViolation => ProblemCatalogue.AlreadyExists.Because($"It conflicts with another row of {error.TableName}. Choose other values, or change the one that exists."),
        PostgresErrorCodes.RestrictViolation => ProblemCatalogue.StillReferenced.Because($"It is still used by {error.TableName}. Delete or change those first."),
        PostgresErrorCodes.ForeignKeyViolation => ProblemCatalogue.ReferenceNotFound.Because($"A row of {error.TableName} and what it refers to do not fit together."),
        _ => ProblemCatalogue.ValidationFailed.Because($"The database refused the values for {error.TableName}, by the rule '{error.ConstraintName}'."),
    };

    /// <summary>An entry of an index has room for about 2700 bytes, less than a text of the length that is otherwise allowed.</summary>
    private static ProblemException TooLong(TableModel.Index index, JsonPath path)
    {
        Column[] texts = [.. index.Columns.Where(column => column.Type.SqlType == "text")];
        return ProblemCatalogue.ValidationFailed.Because($"{string.Join(" and ", texts.Select(column => $"'{column.Member.Name}'"))} is too long to be filtered, sorted or unique by. Send less than 2600 bytes.",
            [.. texts.Select(column => FieldError.At(path[column.Member.Name].ToString(), "maxLength", "The text is too long for its index, which has room for about 2600 bytes."))]);
    }

    private static ProblemException NotNull(PostgresException error, Tables tables)
    {
        var member = tables.FindTable(error.SchemaName, error.TableName)?.Columns.FirstOrDefault(column => column.Name == error.ColumnName)?.Member.Name ?? error.ColumnName;
        return ProblemCatalogue.ValidationFailed.Because($"A value is missing in {error.TableName}.", FieldError.At($"#/{member}", "required", "Expected a value, found null."));
    }
}
