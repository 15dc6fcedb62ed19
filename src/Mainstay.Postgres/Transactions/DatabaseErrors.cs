using System.Net.Sockets;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>What the errors of PostgreSQL and of the connection to it mean for a unit of work.</summary>
internal static class DatabaseErrors
{
    /// <summary>SQLSTATE of <c>mainstay.demand</c>: a row changed since it was read.</summary>
    public const string RowChanged = "MS001";

    /// <summary>SQLSTATE of <c>mainstay.require_unmoved</c>: what was known of a saga is not so any more.</summary>
    public const string SagaMoved = "MS006";

    public const string PlanChanged = "0A000";

    /// <summary>Errors that vanish when the whole transaction is run again.</summary>
    public static bool IsRetryable(Exception e) => e is PostgresException
    {
        SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected or RowChanged or SagaMoved
    } || IsPlanChanged(e) || IsPartitionNew(e) || IsSagaOpen(e);

    /// <summary>A saga was to begin, and one of its key is open. Who begins it looks when it is run again.</summary>
    private static bool IsSagaOpen(Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation, SchemaName: "mainstay", ConstraintName: "sagas_key_idx" };

    /// <summary>
    /// A row was on its way into a default partition while the partition that it belongs to was attached. PostgreSQL finds that out when it has the lock, and does not look for the new one.
    /// </summary>
    private static bool IsPartitionNew(Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.CheckViolation, SchemaName: "mainstay", ConstraintName: null or "" };

    /// <summary>
    /// A prepared statement met a table whose columns have changed since (a migration ran beside us). The statement must be prepared anew, on every
    /// connection of the pool.
    /// </summary>
    public static bool IsPlanChanged(Exception e) => e is PostgresException { SqlState: PlanChanged, MessageText: var text } && text.Contains("cached plan", StringComparison.Ordinal);

    /// <summary>The connection broke or was never made, or the server cannot serve anybody: it is starting, stopping, gone, or out of connections, memory or disk.</summary>
    public static bool IsUnavailable(Exception e) => e switch
    {
        PostgresException { SqlState: var state } => state is "57P01" or "57P02" or "57P03" or "25006" || state.StartsWith("08", StringComparison.Ordinal) || IsExhausted(e),
        // Whatever is no answer of the server is about the connection; Npgsql does not always say what about it.
        NpgsqlException => true,
        SocketException or IOException => true,
        _ => false,
    };

    /// <summary>
    /// Whether a statement of ours, with nobody else's code in it, had no answer: the database is away, or in a pool of the application's, its own code that opens connections has failed, which may throw anything.
    /// </summary>
    public static bool IsUnanswered(Exception e) => e is NpgsqlException ? IsUnavailable(e) : e is not (ProblemException or OperationCanceledException or ObjectDisposedException);

    /// <summary>
    /// What a unit of work has ended with because our database was away, or its answer was lost. A handler may meet connections of its own, to any database; what they throw is the handler's failure and no outage.
    /// </summary>
    public static bool IsOutage(Exception e) => e is ProblemException { Type: var type } && (type == ProblemCatalogue.DatabaseUnavailable || type == ProblemCatalogue.OutcomeUnknown);

    /// <summary>The server can still be reached, and its sessions are of no use any more: it stops, starts, or has become read-only because another one has taken its place.</summary>
    public static bool HasLeft(Exception e) => e is PostgresException { SqlState: "57P01" or "57P02" or "57P03" or "25006" };

    /// <summary>The server has refused the statement for want of something, and is there. A commit that it has refused was not made.</summary>
    public static bool IsExhausted(Exception e) => e is PostgresException { SqlState: var state } && state.StartsWith("53", StringComparison.Ordinal);

    public static bool IsLockTimeout(Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable };

    /// <summary>The server stopped the statement at its timeout.</summary>
    public static bool IsStatementTimeout(Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.QueryCanceled };

    public static ProblemException Unavailable(Exception inner) => new(ProblemCatalogue.DatabaseUnavailable,
        "The database cannot be reached at the moment. Nothing was changed; try again shortly.", [], inner) { RetryAfter = TimeSpan.FromSeconds(1) };

    public static ProblemException OutcomeUnknown(Exception inner) => new(ProblemCatalogue.OutcomeUnknown,
        "The connection to the database broke while the change was being committed, so it may or may not have been made. Repeating a request is safe with an Idempotency-Key, the same each time.", [], inner)
    { RetryAfter = TimeSpan.FromSeconds(1) };

    public static ProblemException DeadlineExceeded(Exception? inner = null) => new(ProblemCatalogue.DeadlineExceeded,
        "The operation did not finish before its deadline. Nothing was changed; try again, or ask for less at once.", [], inner);
}
