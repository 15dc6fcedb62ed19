using System.Buffers;
using System.Globalization;
using System.Text;

namespace Mainstay.Internal;

/// <summary>A structured field's item (RFC 9651): a <c>string</c>, <see cref="FieldToken"/>, <c>long</c>, <c>bool</c> or <c>byte[]</c>, with parameters.</summary>
internal sealed record FieldItem(object Value, IReadOnlyList<KeyValuePair<string, object>> Parameters);

/// <summary>An inner list of a structured field, with parameters of its own.</summary>
internal sealed record FieldList(IReadOnlyList<FieldItem> Items, IReadOnlyList<KeyValuePair<string, object>> Parameters);

/// <summary>A word without quotes.</summary>
internal readonly record struct FieldToken(string Text);

/// <summary>
/// Reads and writes dictionaries of structured fields (RFC 9651 §4), as far as message signatures and digests need them: decimals, dates and display
/// strings are refused. Writing gives the canonical form, which is what gets signed.
/// </summary>
internal static class StructuredFields
{
    private static readonly SearchValues<char> keyRest = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_-.*");
    private static readonly SearchValues<char> tokenRest = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~:/");

    /// <summary>The members in order, each a <see cref="FieldItem"/> or a <see cref="FieldList"/>; null when the text is not a dictionary. A later member replaces an earlier one of its name.</summary>
    public static IReadOnlyList<KeyValuePair<string, object>>? ReadDictionary(string text)
    {
        var reader = new Reader(text.AsSpan().Trim(' '));
        return reader.Dictionary() is { } members && reader.IsAtEnd ? members : null;
    }

    public static string Write(FieldList list)
    {
        var text = new StringBuilder("(");
        foreach (var item in list.Items)
        {
            if (text.Length > 1)
                text.Append(' ');
            Append(text, item);
        }
        return Append(text.Append(')'), list.Parameters).ToString();
    }

    public static string Write(FieldItem item) => Append(new StringBuilder(), item).ToString();

    private static StringBuilder Append(StringBuilder text, FieldItem item) => Append(AppendBare(text, item.Value), item.Parameters);

    private static StringBuilder Append(StringBuilder text, IEnumerable<KeyValuePair<string, object>> parameters)
    {
        foreach (var (name, value) in parameters)
        {
            text.Append(';').Append(name);
            if (value is not true)
                AppendBare(text.Append('='), value);
        }
        return text;
    }

    private static StringBuilder AppendBare(StringBuilder text, object value) => value switch
    {
        string words => text.Append('"').Append(words.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)).Append('"'),
        FieldToken token => text.Append(token.Text),
        long number => text.Append(number.ToString(CultureInfo.InvariantCulture)),
        bool flag => text.Append(flag ? "?1" : "?0"),
        byte[] bytes => text.Append(':').Append(Convert.ToBase64String(bytes)).Append(':'),
        _ => throw new ArgumentException($"{value.GetType()} is no bare item.", nameof(value)),
    };

    private ref struct Reader(ReadOnlySpan<char> text)
    {
        private ReadOnlySpan<char> _rest = text;

        public readonly bool IsAtEnd => _rest.IsEmpty;

        public List<KeyValuePair<string, object>>? Dictionary()
        {
            var members = new List<KeyValuePair<string, object>>();
            while (!_rest.IsEmpty)
            {
                if (Key() is not { } name)
                    return null;
                object? value = !Take('=') ? (Parameters() is { } flags ? new FieldItem(true, flags) : null) : _rest is ['(', ..] ? InnerList() : Item();
                if (value is null)
                    return null;
                members.RemoveAll(known => known.Key == name);
                members.Add(new(name, value));
                _rest = _rest.TrimStart(" \t");
                if (_rest.IsEmpty)
                    return members;
                if (!Take(','))
                    return null;
                _rest = _rest.TrimStart(" \t");
                if (_rest.IsEmpty)
                    return null; // a comma at the end
            }
            return members;
        }

        private FieldList? InnerList()
        {
            Take('(');
            var items = new List<FieldItem>();
            while (true)
            {
                _rest = _rest.TrimStart(' ');
                if (Take(')'))
                    return Parameters() is { } parameters ? new FieldList(items, parameters) : null;
                if (Item() is not { } item || _rest is not ([' ', ..] or [')', ..]))
                    return null;
                items.Add(item);
            }
        }

        private FieldItem? Item() => Bare() is { } value && Parameters() is { } parameters ? new FieldItem(value, parameters) : null;

        private List<KeyValuePair<string, object>>? Parameters()
        {
            var parameters = new List<KeyValuePair<string, object>>();
            while (Take(';'))
            {
                _rest = _rest.TrimStart(' ');
                if (Key() is not { } name || (Take('=') ? Bare() : true) is not { } value)
                    return null;
                parameters.RemoveAll(known => known.Key == name);
                parameters.Add(new(name, value));
            }
            return parameters;
        }

        private object? Bare() => _rest switch
        {
            ['"', ..] => Text(),
            [':', ..] => Bytes(),
            ['?', '0' or '1', ..] => Flag(),
            ['-' or (>= '0' and <= '9'), ..] => Number(),
            ['*' or (>= 'A' and <= 'Z') or (>= 'a' and <= 'z'), ..] => new FieldToken(Run(tokenRest)),
            _ => null,
        };

        private string? Text()
        {
            var text = new StringBuilder();
            for (var i = 1; i < _rest.Length; i++)
            {
                var c = _rest[i];
                if (c == '"')
                {
                    _rest = _rest[(i + 1)..];
                    return text.ToString();
                }
                if (c == '\\' && (++i == _rest.Length || (c = _rest[i]) is not ('"' or '\\')))
                    return null;
                if (c is < ' ' or > '~')
                    return null;
                text.Append(c);
            }
            return null;
        }

        private byte[]? Bytes()
        {
            var end = _rest[1..].IndexOf(':');
            if (end < 0)
                return null;
            var encoded = _rest.Slice(1, end);
            var bytes = new byte[encoded.Length];
            if (encoded.ContainsAny(" \t\r\n") || !Convert.TryFromBase64Chars(encoded, bytes, out var length))
                return null;
            _rest = _rest[(end + 2)..];
            return bytes[..length];
        }

        private bool Flag()
        {
            var value = _rest[1] == '1';
            _rest = _rest[2..];
            return value;
        }

        private long? Number()
        {
            var length = _rest[1..].IndexOfAnyExceptInRange('0', '9') is var end && end < 0 ? _rest.Length : end + 1;
            var digits = _rest[..length];
            if (digits.Length > (digits[0] == '-' ? 16 : 15) || (length < _rest.Length && _rest[length] == '.') || !long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value))
                return null;
            _rest = _rest[length..];
            return value;
        }

        private string? Key() => _rest is ['*' or (>= 'a' and <= 'z'), ..] ? Run(keyRest) : null;

        private string Run(SearchValues<char> allowed)
        {
            var end = _rest.IndexOfAnyExcept(allowed);
            var run = (end < 0 ? _rest : _rest[..end]).ToString();
            _rest = _rest[run.Length..];
            return run;
        }

        private bool Take(char expected)
        {
            if (_rest.IsEmpty || _rest[0] != expected)
                return false;
            _rest = _rest[1..];
            return true;
        }
    }
}
