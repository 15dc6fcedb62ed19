using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>All statements about messages from outside. The first locks the message until the transaction ends, so that of two that bring it at once the second waits and then finds it.</summary>
internal static class InboxSql
{
    /// <summary>SQLSTATE of <c>mainstay.take_message</c>: the transaction sees the database as it was before somebody else may have received the message.</summary>
    private const string OldView = "MS005";

    private const string TakeText = "select answer, is_late from mainstay.take_message($1, $2, $3)";

    private const string InsertText = "insert into mainstay.inbox (source, message, received_at, answer) values ($1, $2, mainstay.now(), $3)";

    /// <summary>After <see cref="Take"/>, whose lock makes sure that nobody else is at it.</summary>
    private const string InsertNewText = """
        insert into mainstay.inbox (source, message, received_at)
        select $1, $2, mainstay.now()
        where not exists (select from mainstay.inbox where source = $1 and message = $2 and received_at > mainstay.now() - $3)
        """;

    public static bool IsOldView(Exception error) => error is PostgresException { SqlState: OldView };

    /// <summary>Gives a row when the message was received before: what was answered, and whether that was so long ago that it is new again.</summary>
    public static NpgsqlBatchCommand Take(string source, string message, TimeSpan keep) => Command(TakeText, source, message, Keep(keep));

    /// <summary>Records a message that <see cref="Take"/> did not find.</summary>
    /// <param name="source">Where it comes from.</param>
    /// <param name="message">Its id there.</param>
    /// <param name="answer">What its repetitions are answered, as JSON; null for nothing.</param>
    public static NpgsqlBatchCommand Insert(string source, string message, string? answer) =>
        Command(InsertText, source, message, new NpgsqlParameter { Value = (object?)answer ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Json });

    /// <summary>Affects a row when the message was not received before, and records that it is now.</summary>
    public static NpgsqlBatchCommand InsertNew(string source, string message, TimeSpan keep) => Command(InsertNewText, source, message, Keep(keep));

    private static NpgsqlBatchCommand Command(string text, string source, string message, NpgsqlParameter third)
    {
        var command = new NpgsqlBatchCommand(text);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = source });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = message });
        command.Parameters.Add(third);
        return command;
    }

    private static NpgsqlParameter<TimeSpan> Keep(TimeSpan keep) => new() { TypedValue = keep, NpgsqlDbType = NpgsqlDbType.Interval };
}
