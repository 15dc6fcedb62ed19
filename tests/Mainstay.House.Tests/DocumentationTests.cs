using System.Text.RegularExpressions;

namespace Mainstay.Tests;

/// <summary>Code and documentation keep step: every code that can be met has a page, every page a code, every link a target.</summary>
public sealed partial class DocumentationTests
{
    private const string Index = "docs/errors/README.md";
    private const string Catalogue = "src/Mainstay.Core/Problems/ProblemCatalogue.cs";

    [Fact]
    public void Every_error_code_has_a_page_and_every_page_a_code()
    {
        var findings = new Findings();
        var used = new HashSet<string>();
        foreach (var (code, place) in OperatorCodes().Concat(ProblemCodes()))
            if (used.Add(code) && !House.Exists(PageOf(code)))
                findings.Add(place, $"{code} has no page. Write {PageOf(code)}: what happened, how it comes about, what to do; then accept the index with MAINSTAY_ACCEPT=1.");
        foreach (var page in ErrorPages().Where(page => !used.Contains(Path.GetFileNameWithoutExtension(page)) && !IsRetired(page)))
            findings.Add(page, $"nothing in src raises {Path.GetFileNameWithoutExtension(page)}. Codes are never reused: write 'Retired in <version>.' as the second paragraph, or correct the code.");
        findings.ShouldBeNone();
    }

    [Fact]
    public void The_problem_catalogue_can_be_read()
    {
        if (House.Exists(Catalogue) && !ProblemCodes().Any())
            Assert.Fail($"{Catalogue}: no line of the form new(\"some-code\", 400, \"Title\"). If the form changed, change {nameof(DocumentationTests)}.{nameof(ProblemDeclaration)} with it.");
    }

    /// <summary>The index is generated from the titles of the pages, between two marks.</summary>
    [Fact]
    public void The_index_of_errors_lists_every_page()
    {
        const string begin = "<!-- pages: generated -->\n", end = "<!-- end -->";
        var findings = new Findings();
        var text = House.Read(Index);
        if (text.IndexOf(begin, StringComparison.Ordinal) is var start && (start < 0 || text.IndexOf(end, start, StringComparison.Ordinal) < 0))
            Assert.Fail($"{Index}: the marks '{begin.Trim()}' and '{end}' are missing. Put them around the place of the list.");

        List<string> lines = [];
        foreach (var page in ErrorPages())
        {
            var title = TitleLine().Match(House.Read(page));
            if (!title.Success || title.Groups["code"].Value != Path.GetFileNameWithoutExtension(page))
                findings.Add($"{page}:1", $"expected '# {Path.GetFileNameWithoutExtension(page)}: what happened, in one line'.");
            else
                lines.Add($"- [{title.Groups["code"].Value}]({Path.GetFileName(page)}) {title.Groups["title"].Value}\n");
        }
        findings.ShouldBeNone();

        var from = text.IndexOf(begin, StringComparison.Ordinal) + begin.Length;
        var expected = $"{text[..from]}{string.Concat(lines)}{text[text.IndexOf(end, from, StringComparison.Ordinal)..]}";
        if (House.Accepts)
            House.Write(Index, expected);
        else if (expected != text)
            Assert.Fail($"{Index} differs from the pages beside it:\n{string.Join('\n', Differences.Between(text.Split('\n'), expected.Split('\n')))}\nRewrite it: MAINSTAY_ACCEPT=1 dotnet test tests/Mainstay.House.Tests");
    }

    [Fact]
    public void Relative_links_lead_somewhere()
    {
        var findings = new Findings();
        foreach (var page in Pages())
        {
            // Fenced and inline code may hold brackets that are no links; blanking it keeps the offsets.
            var text = Code().Replace(House.Read(page), match => Regex.Replace(match.Value, @"[^\n]", " "));
            foreach (Match match in Link().Matches(text))
            {
                var target = Uri.UnescapeDataString(match.Groups["target"].Value.Split('#')[0]);
                var path = Path.GetRelativePath(House.Root, Path.GetFullPath(Path.Combine(House.Root, Path.GetDirectoryName(page)!, target)));
                if (target.Length > 0 && !Scheme().IsMatch(target) && (path.StartsWith("..", StringComparison.Ordinal) || !House.Exists(path)))
                    findings.Add(page, text, match.Index, $"the link to '{match.Groups["target"].Value}' leads nowhere. Correct the path relative to this page.");
            }
        }
        findings.ShouldBeNone();
    }

    [Fact]
    public void Every_sample_is_mentioned_in_the_documentation()
    {
        var findings = new Findings();
        var pages = Pages().Select(House.Read).ToList();
        foreach (var sample in House.Files.Where(file => SampleFile().IsMatch(file)))
            if (!pages.Any(page => page.Contains(sample, StringComparison.Ordinal)))
                findings.Add(sample, $"no page names it. Mention '{sample}' in README.md or in the guide page of its block.");
        findings.ShouldBeNone();
    }

    /// <summary>What a page shows of a file is in it: the same lines in the same order, whatever their indentation.</summary>
    [Fact]
    public void Excerpts_are_as_they_are_in_their_files()
    {
        var findings = new Findings();
        foreach (var page in Pages())
        {
            var text = House.Read(page);
            foreach (Match excerpt in Excerpt().Matches(text))
            {
                var file = excerpt.Groups["file"].Value;
                if (!House.Exists(file))
                    findings.Add(page, text, excerpt.Index, $"there is no file '{file}'.");
                else if (Missing(Trimmed(excerpt.Groups["code"].Value), Trimmed(House.Read(file))) is { } missing)
                    findings.Add(page, text, excerpt.Index, $"{file} does not have this there, or not in this order:\n{missing}\nCopy it anew.");
            }
        }
        findings.ShouldBeNone();
    }

    /// <summary>The first piece of an excerpt that is not in the file behind the pieces before it.</summary>
    private static string? Missing(string excerpt, string file)
    {
        var from = 0;
        foreach (var piece in excerpt.Split("\n…\n"))
        {
            if (file.IndexOf($"\n{piece.Trim('\n')}\n", from, StringComparison.Ordinal) is var found && found < 0)
                return piece;
            from = found + piece.Trim('\n').Length;
        }
        return null;
    }

    private static string Trimmed(string text) => $"\n{string.Join('\n', text.Split('\n').Select(line => line.Trim()))}\n";

    /// <summary>The tables of what is tested are promises, too. A name may be cut short with '…'.</summary>
    [Fact]
    public void Tests_that_a_page_names_exist()
    {
        var findings = new Findings();
        var tests = string.Concat(House.Files.Where(file => file.StartsWith("tests/", StringComparison.Ordinal) && file.EndsWith("Tests.cs", StringComparison.Ordinal)).Select(House.Read));
        foreach (var page in Pages().Where(page => page.StartsWith("docs/internals/", StringComparison.Ordinal)))
        {
            var text = House.Read(page);
            foreach (Match code in Code().Matches(text))
                foreach (Match name in TestName().Matches(code.Value))
                    if (!tests.Contains($" {name.Value}", StringComparison.Ordinal))
                        findings.Add(page, text, code.Index, $"there is no test '{name.Value}'. Name the one that took its place.");
        }
        findings.ShouldBeNone();
    }

    /// <summary>Codes of mistakes that stop an operator or developer, in code but not in comments: there they are examples.</summary>
    private static IEnumerable<(string Code, string Place)> OperatorCodes() =>
        from file in House.Files.Where(file => file.StartsWith("src/", StringComparison.Ordinal) && Path.GetExtension(file) is ".cs" or ".sql" or ".js")
        from line in House.Lines(file).Index()
        let code = Comment().Replace(line.Item, "")
        from match in OperatorCode().Matches(code)
        select (match.Value, $"{file}:{line.Index + 1}");

    /// <summary>Codes of problems that clients branch on.</summary>
    private static IEnumerable<(string Code, string Place)> ProblemCodes() => House.Exists(Catalogue)
        ? ProblemDeclaration().Matches(House.Read(Catalogue)).Select(match => (match.Groups["code"].Value, Catalogue))
        : [];

    private static string PageOf(string code) => $"docs/errors/{code}.md";

    private static IEnumerable<string> ErrorPages() =>
        House.Files.Where(file => file.StartsWith("docs/errors/", StringComparison.Ordinal) && file.EndsWith(".md", StringComparison.Ordinal) && file != Index);

    private static bool IsRetired(string page) => House.Lines(page).Any(line => line.StartsWith("Retired in ", StringComparison.Ordinal));

    private static IEnumerable<string> Pages() => House.Files.Where(file => file.EndsWith(".md", StringComparison.Ordinal));

    [GeneratedRegex(@"^<!-- from (?<file>\S+) -->\n```\w*\n(?<code>.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Excerpt();

    [GeneratedRegex(@"\b[A-Z]\w*Tests\b|\b[A-Z][a-z]*_\w+")]
    private static partial Regex TestName();

    [GeneratedRegex(@"\bMST\d{4}\b")]
    private static partial Regex OperatorCode();

    [GeneratedRegex(@"new(?: ProblemType)?\(\s*""(?<code>[a-z-]+)"",\s*(\d{3}),\s*""")]
    private static partial Regex ProblemDeclaration();

    [GeneratedRegex(@"(?<![:""])//.*$|^\s*--.*$|^\s*\*.*$")]
    private static partial Regex Comment();

    [GeneratedRegex(@"\A# (?<code>\S+): (?<title>[^\n]+)")]
    private static partial Regex TitleLine();

    [GeneratedRegex(@"^(?<fence>```+).*?^\k<fence>|`[^`\n]+`", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Code();

    [GeneratedRegex(@"\]\(<?(?<target>[^)\s>]+)[^)]*\)|^\[[^\]]+\]:\s*(?<target>\S+)", RegexOptions.Multiline)]
    private static partial Regex Link();

    [GeneratedRegex(@"^[a-z][a-z0-9+.-]*:", RegexOptions.IgnoreCase)]
    private static partial Regex Scheme();

    [GeneratedRegex(@"^samples/[^/]+\.cs$")]
    private static partial Regex SampleFile();
}
