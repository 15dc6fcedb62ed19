namespace Mainstay.Internal;

/// <summary>The record of an answer, on its way into the table.</summary>
/// <param name="Key">Whose key, and of which request.</param>
/// <param name="Answer">What was answered.</param>
/// <param name="Lifetime">How long the key is remembered.</param>
internal sealed record ReceiptRow(ReceiptKey Key, Answer Answer, TimeSpan Lifetime)
{
    /// <summary>The headers that a replay repeats, as text: several receipts can then be one array, and there is one value to send instead of ten.</summary>
    public string Headers => ReceiptHeaders.Write(Answer.Headers);
}

/// <summary>Header fields as they are kept: <c>Name: value</c>, one in a line. Neither a name nor a value can have the end of a line in it.</summary>
internal static class ReceiptHeaders
{
    public static string Write(IReadOnlyList<KeyValuePair<string, string>> headers)
    {
        var text = new System.Text.StringBuilder(160);
        foreach (var (name, value) in headers)
            if (Answer.IsKept(name))
                text.Append(text.Length == 0 ? "" : "\n").Append(name).Append(": ").Append(value);
        return text.ToString();
    }

    public static KeyValuePair<string, string>[] Read(string text)
    {
        if (text.Length == 0)
            return [];
        var lines = text.Split('\n');
        var headers = new KeyValuePair<string, string>[lines.Length];
        for (var i = 0; i < lines.Length; i++)
        {
            var colon = lines[i].IndexOf(": ", StringComparison.Ordinal);
            headers[i] = new(lines[i][..colon], lines[i][(colon + 2)..]);
        }
        return headers;
    }
}
