using System.Text;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>A statement that is being written, with its values.</summary>
internal sealed class SqlText(string start)
{
    public StringBuilder Text { get; } = new(start, 512);

    public List<NpgsqlParameter> Values { get; } = [];

    public SqlText Append(string text)
    {
        Text.Append(text);
        return this;
    }

    public SqlText Append(int number)
    {
        Text.Append(number);
        return this;
    }

    public SqlText AppendValue(NpgsqlParameter value)
    {
        Values.Add(value);
        Text.Append('$').Append(Values.Count);
        return this;
    }

    public ReadStatement ToStatement() => new(Text.ToString(), Values);

    public NpgsqlBatchCommand ToBatchCommand() => ToStatement().ToBatchCommand();
}
