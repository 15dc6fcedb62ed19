using System.Text.Json;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Rows of <see cref="LedgerSql"/> as what they are.</summary>
internal static class LedgerRows
{
    public static LedgerAccount Account(NpgsqlDataReader row)
    {
        var sign = row.GetInt16(4);
        return new LedgerAccount(Id<LedgerAccount>.From(row.GetGuid(0)), row.GetString(1), new LedgerCurrency(row.GetString(2), row.GetInt16(3)), sign > 0 ? LedgerSide.Debit : LedgerSide.Credit,
            row.IsDBNull(5) ? null : row.GetInt64(5), row.GetBoolean(6), decimal.ToInt64(row.GetDecimal(9) * sign), decimal.ToInt64(row.GetDecimal(10)), Instant(row, 7)!.Value, Instant(row, 8));
    }

    public static LedgerPosting Posting(NpgsqlDataReader row) => new(Id<LedgerTransfer>.From(row.GetGuid(0)), Instant(row, 1)!.Value, row.GetBoolean(2));

    public static LedgerRecord Record(NpgsqlDataReader row) => new(
        new LedgerTransfer([.. row.GetFieldValue<Guid[]>(1).Zip(row.GetFieldValue<long[]>(2), (account, amount) => LedgerEntry.Of(Id<LedgerAccount>.From(account), amount))])
        {
            Id = Id<LedgerTransfer>.From(row.GetGuid(0)), Key = Text(row, 3), EffectiveAt = Instant(row, 4), Description = Text(row, 5), Reference = Text(row, 6), Metadata = Json(row, 7),
            Reverses = row.IsDBNull(8) ? null : Id<LedgerTransfer>.From(row.GetGuid(8)), Captures = row.IsDBNull(9) ? null : Id<LedgerHold>.From(row.GetGuid(9)),
            Rest = row.GetBoolean(10) ? LedgerRest.Released : LedgerRest.Held,
        },
        Instant(row, 11)!.Value, row.IsDBNull(12) ? null : Id<LedgerTransfer>.From(row.GetGuid(12)), Json(row, 13));

    public static LedgerHold Hold(NpgsqlDataReader row) => new(Id<LedgerHold>.From(row.GetGuid(0)), Id<LedgerAccount>.From(row.GetGuid(1)), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), Instant(row, 5)!.Value, Instant(row, 6));

    public static LedgerLine Line(NpgsqlDataReader row) => new(row.GetInt64(0), Id<LedgerTransfer>.From(row.GetGuid(1)), row.GetInt64(2), row.GetInt64(3), Instant(row, 4)!.Value, Instant(row, 5)!.Value,
        Text(row, 6), Text(row, 7));

    private static string? Text(NpgsqlDataReader row, int ordinal) => row.IsDBNull(ordinal) ? null : row.GetString(ordinal);

    private static JsonElement? Json(NpgsqlDataReader row, int ordinal) => row.IsDBNull(ordinal) ? null : JsonElement.Parse(row.GetString(ordinal));

    private static DateTimeOffset? Instant(NpgsqlDataReader row, int ordinal) => row.IsDBNull(ordinal) ? null : row.GetFieldValue<DateTimeOffset>(ordinal);
}
