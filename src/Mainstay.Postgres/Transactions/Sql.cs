using System.Runtime.CompilerServices;
using System.Text;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay;

/// <summary>
/// SQL written as an interpolated string: <c>$"select * from orders where placed_at >= {from}"</c>. Every value in braces becomes a typed
/// parameter, never text; another <see cref="Sql"/> in braces is spliced in. A plain string does not convert, so that text from outside
/// cannot become SQL.
/// </summary>
[InterpolatedStringHandler]
public sealed class Sql
{
    private readonly StringBuilder _text;
    private readonly List<NpgsqlParameter> _parameters;

    /// <summary>Called by the compiler for an interpolated string.</summary>
    public Sql(int literalLength, int formattedCount)
    {
        _text = new StringBuilder(literalLength + formattedCount * 3);
        _parameters = new List<NpgsqlParameter>(formattedCount);
    }

    /// <summary>Called by the compiler for the literal parts.</summary>
    public void AppendLiteral(string value) => _text.Append(value);

    /// <summary>Adds a value as a parameter. Called by the compiler.</summary>
    /// <exception cref="ConfigurationException">MST1302: the type has no PostgreSQL counterpart.</exception>
    public void AppendFormatted<T>(T value)
    {
        if (value is Sql fragment)
            Splice(fragment);
        else
        {
            _parameters.Add(SqlValue.Parameter(value, typeof(T) == typeof(object) && value is not null ? value.GetType() : typeof(T)));
            _text.Append('$').Append(_parameters.Count);
        }
    }

    /// <summary>A quoted identifier, for the rare statement whose table or column is chosen at run time.</summary>
    public static Sql Name(string identifier)
    {
        var name = new Sql(identifier.Length + 2, 0);
        name._text.Append(SqlName.Quote(identifier));
        return name;
    }

    /// <summary>The statement with numbered placeholders, as it is sent. Values are not part of it.</summary>
    public override string ToString() => _text.ToString();

    internal NpgsqlBatchCommand ToBatchCommand()
    {
        var command = new NpgsqlBatchCommand(_text.ToString());
        foreach (var parameter in _parameters)
            command.Parameters.Add(parameter.Collection is null ? parameter : parameter.Clone());
        return command;
    }

    /// <summary>Appends a fragment's text with its placeholders renumbered behind ours.</summary>
    private void Splice(Sql fragment)
    {
        var text = fragment._text.ToString();
        for (var i = 0; i < text.Length; i++)
        {
            _text.Append(text[i]);
            if (text[i] != '$' || i + 1 == text.Length || !char.IsAsciiDigit(text[i + 1]))
                continue;
            var end = i + 1;
            while (end < text.Length && char.IsAsciiDigit(text[end]))
                end++;
            _text.Append(int.Parse(text.AsSpan(i + 1, end - i - 1)) + _parameters.Count);
            i = end - 1;
        }
        foreach (var parameter in fragment._parameters)
            _parameters.Add(parameter.Clone());
    }
}
