using System.Text;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>One statement that reads, with its values as <c>$1</c>, <c>$2</c> and so on. Statements of one text differ in their values alone, so they are prepared once and can be asked together.</summary>
internal sealed class ReadStatement(string text, IReadOnlyList<NpgsqlParameter> values)
{
    public string Text => text;

    public IReadOnlyList<NpgsqlParameter> Values => values;

    /// <summary>Whether several of this text can be one: not when a value is a list already, or an untyped null.</summary>
    public bool CanBeShared
    {
        get
        {
            for (var i = 0; i < values.Count; i++)
                if (ValueColumn.Of(values[i]) is null)
                    return false;
            return true;
        }
    }

    /// <summary>
    /// The statement that asks all of them at once. Each is a row of values beside its number, and the statement itself runs once for each row, so it finds
    /// what it would find alone, in its order:
    /// <code>select r.*, q.n from unnest($1, $2) with ordinality as q (v1, v2, n) cross join lateral (…$1…$2…, as q.v1 and q.v2) as r</code>
    /// </summary>
    /// <param name="statements">Of one text, with at least one value.</param>
    /// <returns>Rows with one column more: the number of the statement they belong to, from 1.</returns>
    public static ReadStatement Together(IReadOnlyList<ReadStatement> statements)
    {
        var first = statements[0];
        var text = new StringBuilder("select r.*, q.n from unnest(", first.Text.Length + 160);
        AppendList(text, first.Values.Count, "$");
        text.Append(") with ordinality as q (");
        AppendList(text, first.Values.Count, "v");
        text.Append(", n) cross join lateral (");
        AppendWithColumns(text, first.Text);
        var values = new NpgsqlParameter[first.Values.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = ValueColumn.Of(first.Values[i])!.ToArray(statements, i);
        return new ReadStatement(text.Append(") as r").ToString(), values);
    }

    public NpgsqlBatchCommand ToBatchCommand()
    {
        var command = new NpgsqlBatchCommand(text);
        foreach (var value in values)
            command.Parameters.Add(value);
        return command;
    }

    /// <summary>The same with parameters of its own. A parameter belongs to one command for good, and this one may have to be run again.</summary>
    public ReadStatement Copy() => new(text, [.. values.Select(value => value.Clone())]);

    public bool HasValuesOf(ReadStatement other)
    {
        for (var i = 0; i < values.Count; i++)
            if (!ValueColumn.Of(values[i])!.AreEqual(values[i], other.Values[i]))
                return false;
        return true;
    }

    public int HashOfValues()
    {
        var hash = new HashCode();
        for (var i = 0; i < values.Count; i++)
            hash.Add(ValueColumn.Of(values[i])!.HashOf(values[i]));
        return hash.ToHashCode();
    }

    private static void AppendList(StringBuilder text, int count, string prefix)
    {
        for (var i = 1; i <= count; i++)
            text.Append(i == 1 ? "" : ", ").Append(prefix).Append(i);
    }

    /// <summary>Our statements hold no dollar signs but those of their values.</summary>
    private static void AppendWithColumns(StringBuilder text, ReadOnlySpan<char> statement)
    {
        for (var at = statement.IndexOf('$'); at >= 0; at = statement.IndexOf('$'))
        {
            text.Append(statement[..at]).Append("q.v");
            statement = statement[(at + 1)..];
        }
        text.Append(statement);
    }
}
