using System.Globalization;

namespace Mainstay.Internal;

internal enum PreferredReturn { Unstated, Minimal, Representation }

/// <summary>
/// What the client would like (<c>Prefer</c>, RFC 7240). Wishes, not conditions: unknown and malformed ones are ignored, and the answer names the ones that
/// were followed in <c>Preference-Applied</c>. <c>handling</c> is not among them, because every request is handled strictly.
/// </summary>
internal sealed record Preferences
{
    public static readonly Preferences None = new();

    /// <summary>Whether a change shall be answered with what it made.</summary>
    public PreferredReturn Return { get; private init; }

    /// <summary>Whether the client would rather be told at once that the work has been accepted.</summary>
    public bool RespondAsync { get; private init; }

    /// <summary>How long the client would wait for the result, in whole seconds.</summary>
    public TimeSpan? Wait { get; private init; }

    /// <param name="field">The header field, several lines joined by commas; null when there is none.</param>
    public static Preferences Parse(string? field)
    {
        if (string.IsNullOrWhiteSpace(field))
            return None;
        var read = None;
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var preference in StructuredText.Split(field, ','))
        {
            var (name, value) = NameAndValue(StructuredText.Split(preference, ';').FirstOrDefault() ?? "");
            // Of two with the same name the first counts, but a client that asks for both returns asks for neither.
            if (!seen.Add(name))
                read = name.Equals("return", StringComparison.OrdinalIgnoreCase) && ReturnOf(value) != read.Return ? read with { Return = PreferredReturn.Unstated } : read;
            else if (name.Equals("return", StringComparison.OrdinalIgnoreCase))
                read = read with { Return = ReturnOf(value) };
            else if (name.Equals("respond-async", StringComparison.OrdinalIgnoreCase))
                read = read with { RespondAsync = true };
            else if (name.Equals("wait", StringComparison.OrdinalIgnoreCase) && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
                read = read with { Wait = TimeSpan.FromSeconds(seconds) };
        }
        return read;
    }

    /// <summary>The answer as the client prefers it: without a body, or with one and the word that this was followed.</summary>
    public Answer Apply(Answer answer) => (Return, answer.Status, answer.Body.IsEmpty) switch
    {
        (PreferredReturn.Minimal, 200, _) => Without(answer, 204),
        (PreferredReturn.Minimal, 201, _) => Without(answer, 201),
        (PreferredReturn.Representation, 200 or 201, false) => answer with { Headers = [.. answer.Headers, new("Preference-Applied", "return=representation")] },
        _ => answer,
    };

    private static Answer Without(Answer answer, int status) => answer with
    {
        Status = status,
        Body = default,
        Headers = [.. answer.Headers.Where(header => header.Key != "Content-Type"), new("Preference-Applied", "return=minimal")],
    };

    private static PreferredReturn ReturnOf(string value) => value switch
    {
        "minimal" => PreferredReturn.Minimal,
        "representation" => PreferredReturn.Representation,
        _ => PreferredReturn.Unstated,
    };

    private static (string Name, string Value) NameAndValue(string preference)
    {
        var equals = preference.IndexOf('=', StringComparison.Ordinal);
        return equals < 0
            ? (preference.Trim(), "")
            : (preference[..equals].Trim(), preference[(equals + 1)..].Trim().Trim('"'));
    }
}

/// <summary>Lists in header fields, where a separator inside a quoted string is text.</summary>
internal static class StructuredText
{
    public static IEnumerable<string> Split(string text, char separator)
    {
        var start = 0;
        var isQuoted = false;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && isQuoted)
                i++;
            else if (text[i] == '"')
                isQuoted = !isQuoted;
            else if (text[i] == separator && !isQuoted)
            {
                yield return text[start..i].Trim();
                start = i + 1;
            }
        }
        yield return text[start..].Trim();
    }
}
