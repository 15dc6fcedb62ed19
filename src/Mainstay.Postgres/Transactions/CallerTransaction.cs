using System.Data.Common;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>A transaction that the application began itself, to carry what a block writes.</summary>
internal static class CallerTransaction
{
    /// <param name="transaction">What the caller handed over.</param>
    /// <param name="code">The block's code for a transaction that is of no use to it.</param>
    /// <exception cref="ConfigurationException">It is not one of Npgsql, or it is over.</exception>
    public static NpgsqlTransaction Require(DbTransaction transaction, string code)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        if (transaction is not NpgsqlTransaction open)
            throw new ConfigurationException(code, $"The transaction is a {transaction.GetType().FullName}, expected a Npgsql.NpgsqlTransaction: what connection.BeginTransactionAsync() of an NpgsqlConnection gives, also with Dapper. EF Core hands it out by transaction.GetDbTransaction().");
        if (IsOver(open))
            throw new ConfigurationException(code, "The transaction has been committed or rolled back, so nothing can be committed with it any more. Call this before the end of the transaction.");
        return open;
    }

    /// <summary>Npgsql has no question for it, but a transaction that is over refuses to name its isolation level.</summary>
    private static bool IsOver(NpgsqlTransaction transaction)
    {
        try
        {
            _ = transaction.IsolationLevel;
            return transaction.Connection is null;
        }
        catch (InvalidOperationException)
        {
            return true;
        }
    }

    public static ConfigurationException OtherDatabase(string code, string table, PostgresException inner) => new(code,
        $"The transaction is in a database without mainstay.{table} ({inner.MessageText}). The block prepared another one when it started: give it the connection string of the database that the transaction is in.", inner);
}
