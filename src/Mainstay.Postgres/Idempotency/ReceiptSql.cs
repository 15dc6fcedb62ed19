using Npgsql;

namespace Mainstay.Internal;

/// <summary>The statements about receipts (idempotency records). The one that inserts them is in <see cref="CommitSql"/>, without "on conflict": a used key must abort the whole transaction, and a concurrent one must wait for the first to end.</summary>
internal static class ReceiptSql
{
    /// <summary>SQLSTATE of <c>mainstay.refuse_used_key</c>: the key was used in the lifetime before.</summary>
    private const string UsedBefore = "MS003";

    /// <summary>Whether the error says that the key has a receipt. An application may well have a table named receipts of its own, so the schema counts too.</summary>
    public static bool IsTaken(Exception error) =>
        error is PostgresException { SqlState: UsedBefore } or PostgresException { SqlState: PostgresErrorCodes.UniqueViolation, TableName: "receipts", SchemaName: "mainstay" };

    public const string Find = """
        select fingerprint, status, headers, body from mainstay.receipts where scope = $1 and key = $2 and expires_at > mainstay.now()
        union all
        select fingerprint, status, headers, body from mainstay.receipts_before where scope = $1 and key = $2 and expires_at > mainstay.now()
        """;

    /// <summary>Of receipts only: those before are not in the way of a key once they have expired.</summary>
    public const string DeleteExpiredKey = "delete from mainstay.receipts where scope = $1 and key = $2 and expires_at <= mainstay.now()";

    public const string Rotate = "select mainstay.rotate_receipts($1)";
}
