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
        if (error.SqlState == PostgresErrorCodes.ProgramLimitExceeded && change is not null)
            return ProblemCatalogue.ValidationFailed.Because($"A value of {change.Table.Name} is too long for the index on it. Send less than 2,600 bytes in indexed members.");
        if (error.SqlState is not (PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.ForeignKeyViolation or PostgresErrorCodes.CheckViolation or PostgresErrorCodes.NotNullViolation))
            return null;
        if (error.SqlState == PostgresErrorCodes.NotNullViolation)
            return NotNull(error, tables);
        if (tables.FindConstraint(error.ConstraintName) is not var (table, columns))
            return null;

        var path = isBulk && change is not null ? JsonPath.Root[change.Number] : JsonPath.Root;
        var names = string.Join(" and ", columns.Select(column => $"'{column.Member.Name}'"));
        FieldError[] At(string code, string detail) => [.. columns.Select(column => FieldError.At(path[column.Member.Name].ToString(), code, detail))];
        switch (error.SqlState)
        {
            case PostgresErrorCodes.UniqueViolation:
                return ProblemCatalogue.AlreadyExists.Because($"Another of {table.Name} has the same {names}. Choose another value, or change the one that exists.", At("unique", "The value is taken."));
            case PostgresErrorCodes.ForeignKeyViolation when change is { Kind: ChangeKind.Delete } || (change is not null && change.Table != table):
                return ProblemCatalogue.StillReferenced.Because($"It is still used by {table.Name}. Delete or change those first.");
            case PostgresErrorCodes.ForeignKeyViolation:
                return ProblemCatalogue.ReferenceNotFound.Because($"{names} names something that does not exist. Use an id that does.", At("reference", "There is no such id."));
            default:
                return ProblemCatalogue.ValidationFailed.Because($"The database refused the value of {names}, which is outside its declared bounds.", At("check", "The value is outside its declared bounds."));
        }
    }

    private static ProblemException NotNull(PostgresException error, Tables tables)
    {
        var member = tables.Models.FirstOrDefault(table => table.Name == error.TableName)?.Columns.FirstOrDefault(column => column.Name == error.ColumnName)?.Member.Name ?? error.ColumnName;
        return ProblemCatalogue.ValidationFailed.Because($"A value is missing in {error.TableName}.", FieldError.At($"#/{member}", "required", "Expected a value, found null."));
    }
}
