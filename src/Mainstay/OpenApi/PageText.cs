using System.Text;
using System.Text.Encodings.Web;
using System.Text.RegularExpressions;

namespace Mainstay.Internal;

/// <summary>
/// The small part of Markdown in which our pages about problems are written, as HTML: paragraphs, lists, fenced code; bold, code and links in
/// a line. Everything else is shown as it is written.
/// </summary>
internal static partial class PageText
{
    public static string Html(string text, HtmlEncoder encoder)
    {
        var html = new StringBuilder();
        foreach (var block in Blocks(text))
        {
            if (block.StartsWith("```", StringComparison.Ordinal))
                html.Append("<pre><code>").AppendJoin('\n', block.Split('\n')[1..^1].Select(encoder.Encode)).Append("</code></pre>\n");
            else if (block.StartsWith("- ", StringComparison.Ordinal))
                html.Append("<ul>").AppendJoin("", Items(block).Select(item => $"<li>{Line(item, encoder)}</li>")).Append("</ul>\n");
            else
                html.Append("<p>").Append(Line(block, encoder)).Append("</p>\n");
        }
        return html.ToString();
    }

    /// <summary>Blocks are separated by empty lines, except inside of fences.</summary>
    private static IEnumerable<string> Blocks(string text) => Block().Matches(text).Select(match => match.Value.Trim('\n'));

    private static string[] Items(string block) => block[2..].Split("\n- ");

    private static string Line(string text, HtmlEncoder encoder) => Inline().Replace(encoder.Encode(text.Replace('\n', ' ')).Replace("&#x60;", "`", StringComparison.Ordinal), match =>
        match.Groups["code"] is { Success: true } code ? $"<code>{code.Value}</code>"
        : match.Groups["bold"] is { Success: true } bold ? $"<strong>{bold.Value}</strong>"
        : Link(match.Groups["text"].Value, match.Groups["target"].Value));

    /// <summary>Pages of other problems lie beside this one; pages of the repository are not served, so only their name remains.</summary>
    private static string Link(string text, string target) =>
        target.StartsWith("https://", StringComparison.Ordinal) ? $"""<a href="{target}" rel="noreferrer">{text}</a>"""
        : Problem().Match(target) is { Success: true } problem ? $"""<a href="{problem.Groups["code"].Value}">{text}</a>"""
        : text;

    [GeneratedRegex(@"^```[^\n]*\n(?:.*\n)*?```$|(?:^(?!```)[^\n]+\n?)+", RegexOptions.Multiline)]
    private static partial Regex Block();

    // The text is already encoded, so quotes and angle brackets cannot end an attribute or begin a tag.
    [GeneratedRegex(@"`(?<code>[^`]+)`|\*\*(?<bold>[^*]+)\*\*|\[(?<text>[^\]]+)\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Inline();

    [GeneratedRegex(@"^(?<code>[a-z][a-z-]*)\.md$")]
    private static partial Regex Problem();
}
