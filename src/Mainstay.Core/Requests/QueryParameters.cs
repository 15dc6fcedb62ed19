using System.Buffers;
using System.Text;

namespace Mainstay.Internal;

/// <summary>A query string, decoded strictly: valid UTF-8, no parameter twice, no value that the database could not hold.</summary>
internal sealed class QueryParameters
{
    /// <summary>The most parameters a request may have.</summary>
    public const int Most = 50;

    /// <summary>Characters that stand for themselves.</summary>
    private static readonly SearchValues<char> plain = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~,:");

    private static readonly QueryParameters none = new();

    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    private QueryParameters()
    {
    }

    public IReadOnlyDictionary<string, string> Values => _values;

    public string? Find(string name) => _values.GetValueOrDefault(name);

    /// <param name="query">The raw query string with or without its question mark.</param>
    /// <exception cref="ProblemException"><c>invalid-parameter</c> with every fault.</exception>
    public static QueryParameters Parse(string query)
    {
        if (query.Length == 0)
            return none;
        var parameters = new QueryParameters();
        var faults = new InputFaults();
        foreach (var part in query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            var isValid = TryDecode(equals < 0 ? part : part[..equals], out var name) & TryDecode(equals < 0 ? "" : part[(equals + 1)..], out var value);
            if (!isValid)
                faults.Add(FieldError.In(Shown(equals < 0 ? part : part[..equals]), "text", "Expected percent-encoded UTF-8 without U+0000, and '#' as %23."));
            else if (!parameters._values.TryAdd(name, value))
                faults.Add(FieldError.In(name, "duplicate", "The parameter is given twice. Give it once; several values are separated by commas where a list is accepted."));
            else if (parameters._values.Count > Most)
            {
                faults.Add(FieldError.In(name, "maxItems", $"Expected at most {Most} parameters."));
                break;
            }
        }
        faults.ThrowIfAny(ProblemCatalogue.InvalidParameter);
        return parameters;
    }

    /// <summary>A name as it was sent, because it may be what cannot be decoded.</summary>
    private static string Shown(string name) => name.Length <= 64 ? name : name[..64] + "…";

    private static bool TryDecode(string text, out string decoded)
    {
        if (!text.AsSpan().ContainsAnyExcept(plain))
        {
            decoded = text;
            return true;
        }
        var bytes = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        var length = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '#')
            {
                decoded = "";
                return false; // a fragment never leaves the client, so this is a value that was not encoded
            }
            if (text[i] == '%')
            {
                if (i + 2 >= text.Length || !char.IsAsciiHexDigit(text[i + 1]) || !char.IsAsciiHexDigit(text[i + 2]))
                {
                    decoded = "";
                    return false;
                }
                bytes[length++] = Convert.ToByte(text.Substring(i + 1, 2), 16);
                i += 2;
            }
            else
                length += text[i] == '+' ? Put(bytes, length, ' ') : Encoding.UTF8.GetBytes(text, i, char.IsHighSurrogate(text[i]) && i + 1 < text.Length ? 2 : 1, bytes, length);
            if (char.IsHighSurrogate(text[i]))
                i++;
        }
        var isValid = System.Text.Unicode.Utf8.IsValid(bytes.AsSpan(0, length));
        decoded = isValid ? Encoding.UTF8.GetString(bytes, 0, length) : "";
        return isValid && StrictText.IsValid(decoded);

        static int Put(byte[] bytes, int at, char ascii)
        {
            bytes[at] = (byte)ascii;
            return 1;
        }
    }
}
