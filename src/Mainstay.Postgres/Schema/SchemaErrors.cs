using System.Globalization;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>The refusals of the start-up step. All of them leave the database as it was.</summary>
internal static class SchemaErrors
{
    public static ConfigurationException NotAdditive(IReadOnlyList<SchemaChange> refused, int others) => new("MST1501", $"""
        The declared tables differ from the database in {Count(refused.Count, "way")} that a start does not settle by itself. Nothing was changed.

        {List(refused)}

        Run the statements yourself, after reading them, and start again{(others == 0 ? "" : $"; {Count(others, "other change")} will then be made by the start")}. In development you can instead delete the data folder of the embedded database and start with an empty one.
        """);

    public static ConfigurationException Differs(IReadOnlyList<SchemaChange> changes)
    {
        var byHand = changes.Count(change => !change.IsAdditive);
        var advice = byHand == 0
            ? "Start one node with Mainstay__Schema=apply, which makes these changes, or run the statements yourself before this release starts."
            : $"Run the statements yourself before this release starts. Mainstay__Schema=apply makes only the additive ones and refuses {(byHand == changes.Count ? "these" : $"{byHand} of these")}.";
        return new("MST1502", $"""
            The declared tables differ from the database in {Count(changes.Count, "way")}, and this start may not change it (Mainstay__Schema=check).

            {List(changes)}

            {advice}
            """);
    }

    public static ConfigurationException FileChanged(SchemaFile file, string applied) => new("MST1507",
        $"File {file.Name}.sql of Mainstay's own tables was applied to this database with the checksum {applied[..12]}, and this build brings {file.Checksum[..12]}. Applied files never change. "
        + "Start the build that belongs to the database, or in development delete the data folder of the embedded database.");

    public static ConfigurationException Newer(int applied, int known) => new("MST1508",
        $"The database has version {applied} of Mainstay's own tables, and this build knows up to {known}. An older build could damage what a newer one keeps there. Start a build with at least the version of Mainstay that prepared this database.");

    public static ConfigurationException Denied(PostgresException e) => new("MST1509",
        $"PostgreSQL refused the start a right that it needs: {e.MessageText}. Mainstay__Schema=apply needs 'create' on the database (for the schema mainstay and those of modules) and on the schemas of the tables, and to own tables that it changes; "
        + "both need 'temporary' on the database. Grant them, or let a role that has them apply the change and start with Mainstay__Schema=off.", e);

    public static ConfigurationException Closed(IReadOnlyList<string> schemas) => new("MST1509",
        $"The role of the connection string may not use the {(schemas.Count == 1 ? "schema" : "schemas")} {string.Join(", ", schemas)}, in which resources are kept, so every request for them would fail. As the owner: grant usage on schema {string.Join(", ", schemas.Select(SqlName.Quote))} to …, beside the rights on the tables.");

    public static ConfigurationException InUse(PostgresException e, TimeSpan lockTimeout) => new("MST1510",
        $"A change waited {Seconds(lockTimeout)} for a table that another transaction uses, several times, and gave up so that other queries do not queue behind it ({e.MessageText}). Nothing was changed. "
        + "Find the transaction with: select pid, state, xact_start, left(query, 80) from pg_stat_activity where xact_start < now() - interval '5 seconds'; Let it end, then start again.", e);

    public static ConfigurationException TooSlow(PostgresException e, TimeSpan statementTimeout) => new("MST1510",
        $"A change did not finish within {Seconds(statementTimeout)} ({e.MessageText}). Nothing was changed. On a large table run it before the start, an index with 'create index concurrently'.", e);

    public static ConfigurationException OtherNode(TimeSpan patience) => new("MST1510",
        $"Another node has been preparing this database for more than {Seconds(patience)}, and this one stopped waiting. Nothing was changed. Look at that node's log, or for its transaction with: select pid, xact_start, left(query, 80) from pg_stat_activity join pg_locks using (pid) where locktype = 'advisory'; then start again.");

    private static string List(IReadOnlyList<SchemaChange> changes) => string.Join("\n\n", changes.Select((change, i) =>
        $"{i + 1}. {change.Description}{(change.WhyNot is { } why ? $"\n   {why}" : "")}\n{Indented(change.Sql)}"));

    private static string Indented(string sql) => string.Join('\n', sql.Split('\n').Select(line => line.Length == 0 ? "" : $"       {line}"));

    private static string Count(int count, string what) => $"{count} {what}{(count == 1 ? "" : "s")}";

    private static string Seconds(TimeSpan time) => $"{time.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture)} s";
}
