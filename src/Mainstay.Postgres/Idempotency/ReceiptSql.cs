using Npgsql;

namespace Mainstay.Internal;

/// <summary>The statements about receipts (idempotency records). The one that inserts them is in <see cref="CommitSql"/>, without "on conflict": a used key must abort the whole transaction, and a concurrent one must wait for the first to end.</summary>
internal static class ReceiptSql
{
    /// <summary>Whether the error says that the key has a receipt. An application may well have a table named receipts of its own, so the schema counts too.</summary>
    public static bool IsTaken(Exception error) =>
        error is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "receipts_pkey", SchemaName: "mainstay" };

    public const string Find = "select fingerprint, status, headers, body from mainstay.receipts where scope = $1 and key = $2 and expires_at > mainstay.now()";

    public const string DeleteExpiredKey = "delete from mainstay.receipts where scope = $1 and key = $2 and expires_at <= mainstay.now()";

    public const string DeleteExpired = """
        delete from mainstay.receipts where (scope, key) in
            (select scope, key from mainstay.receipts where expires_at <= mainstay.now() order by expires_at limit 1000 for update skip locked)
        """;
}
