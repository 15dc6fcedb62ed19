namespace Mainstay.Internal;

/// <summary>The value of an <c>Idempotency-Key</c> header (draft-ietf-httpapi-idempotency-key-header): a quoted string, or the bare form that many clients send.</summary>
internal static class IdempotencyKey
{
    public const int LengthMost = 255;

    /// <exception cref="ProblemException"><c>invalid-idempotency-key</c></exception>
    public static string Parse(IReadOnlyList<string?> lines)
    {
        if (lines.Count != 1 || lines[0] is not { } text)
            throw Invalid("is given twice");
        text = text.Trim(' ', '\t');
        var isQuoted = text.StartsWith('"');
        if (isQuoted)
        {
            if (text.Length < 2 || text[^1] != '"')
                throw Invalid("starts with a quote and does not end with one");
            var content = text[1..^1];
            // In a quoted string only quote and backslash may be escaped, and neither may stand alone.
            var plain = new System.Text.StringBuilder(content.Length);
            for (var i = 0; i < content.Length; i++)
            {
                if (content[i] == '"' || (content[i] == '\\' && (++i == content.Length || content[i] is not ('"' or '\\'))))
                    throw Invalid("is not one quoted string");
                plain.Append(content[i]);
            }
            text = plain.ToString();
        }
        else if (text.AsSpan().ContainsAny(" ,;\"\\"))
            throw Invalid("is a list or has characters that need quotes");
        if (text.Length is 0 or > LengthMost)
            throw Invalid($"has {text.Length} characters");
        if (text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            throw Invalid("has characters outside printable ASCII");
        return text;
    }

    private static ProblemException Invalid(string what) => ProblemCatalogue.InvalidIdempotencyKey.Because(
        $"Idempotency-Key {what}, expected one string of 1 to {LengthMost} printable ASCII characters such as \"8e03978e-40d5-43dd-bc93-6894a57f9324\".");
}
