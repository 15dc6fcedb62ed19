using System.Buffers;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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

    // So few that looking at each is quicker than hashing one.
    private readonly List<KeyValuePair<string, string>> _values = [];

    private QueryParameters()
    {
    }

    /// <summary>In the order in which they were sent.</summary>
    public ReadOnlySpan<KeyValuePair<string, string>> All => CollectionsMarshal.AsSpan(_values);

    public string? Find(string name)
    {
        foreach (var (known, value) in All)
            if (known == name)
                return value;
        return null;
    }

    /// <summary>The same parameters as a query string, without its question mark.</summary>
    public string Encoded
    {
        get
        {
            var text = new DefaultInterpolatedStringHandler(0, 0, CultureInfo.InvariantCulture, stackalloc char[256]);
            AppendTo(ref text);
            return text.ToStringAndClear().TrimEnd('&');
        }
    }

    /// <summary>Appends parameters, each with an ampersand behind it.</summary>
    /// <param name="text">Where to.</param>
    /// <param name="without">Those that are left out.</param>
    public void AppendTo(ref DefaultInterpolatedStringHandler text, params ReadOnlySpan<string> without)
    {
        foreach (var (name, value) in All)
            if (!without.Contains(name))
            {
                text.AppendLiteral(Uri.EscapeDataString(name));
                text.AppendLiteral("=");
                text.AppendLiteral(Uri.EscapeDataString(value));
                text.AppendLiteral("&");
            }
    }

    /// <param name="query">The raw query string with or without its question mark.</param>
    /// <exception cref="ProblemException"><c>invalid-parameter</c> with every fault.</exception>
    public static QueryParameters Parse(string query)
    {
        if (query.Length == 0)
            return none;
        var parameters = new QueryParameters();
        var faults = new InputFaults();
        var all = query.AsSpan(query[0] == '?' ? 1 : 0); // a second one belongs to a name
        foreach (var range in all.Split('&'))
        {
            var part = all[range];
            if (part.IsEmpty)
                continue;
            var equals = part.IndexOf('=');
            var sent = equals < 0 ? part : part[..equals];
            var isValid = TryDecode(sent, out var name) & TryDecode(equals < 0 ? "" : part[(equals + 1)..], out var value);
            if (!isValid)
                faults.Add(FieldError.In(Shown(sent), "text", "Expected percent-encoded UTF-8 without U+0000, and '#' as %23."));
            else if (parameters.Find(name) is not null)
                faults.Add(FieldError.In(name, "duplicate", "The parameter is given twice. Give it once; several values are separated by commas where a list is accepted."));
            else if (parameters._values.Count == Most)
            {
                faults.Add(FieldError.In(name, "maxItems", $"Expected at most {Most} parameters."));
                break;
            }
            else
                parameters._values.Add(new(name, value));
        }
        faults.ThrowIfAny(ProblemCatalogue.InvalidParameter);
        return parameters;
    }

    /// <summary>The text of names that are asked for all the time.</summary>
    private static string? Known(ReadOnlySpan<char> name) => name switch
    {
        "cursor" => "cursor",
        "pageSize" => "pageSize",
        "include" => "include",
        "fields" => "fields",
        "sort" => "sort",
        _ => null,
    };

    /// <summary>A name as it was sent, because it may be what cannot be decoded.</summary>
    private static string Shown(ReadOnlySpan<char> name) => name.Length <= 64 ? name.ToString() : $"{name[..64]}…";

    private static bool TryDecode(ReadOnlySpan<char> text, out string decoded)
    {
        if (!text.ContainsAnyExcept(plain))
        {
            decoded = Known(text) ?? text.ToString();
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
                bytes[length++] = byte.Parse(text.Slice(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                i += 2;
            }
            else
                length += text[i] == '+' ? Put(bytes, length, ' ') : Encoding.UTF8.GetBytes(text.Slice(i, char.IsHighSurrogate(text[i]) && i + 1 < text.Length ? 2 : 1), bytes.AsSpan(length));
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
