using System.Text.RegularExpressions;

namespace Mainstay.Tests;

/// <summary>Rules of the house that no compiler knows. Each finding names the file, the line, and what to do.</summary>
public sealed partial class TidyTests
{
    private const int LinesMax = 700;

    private static readonly string[] TextFiles =
        [".cs", ".csproj", ".css", ".editorconfig", ".graphql", ".html", ".js", ".json", ".md", ".mjs", ".props", ".proto", ".ps1", ".py", ".sh", ".slnx", ".sql", ".svg", ".targets", ".toml", ".ts", ".txt", ".xml", ".yaml", ".yml"];

    /// <summary>Files in src that may be longer than the limit, with the reason.</summary>
    private static readonly Dictionary<string, string> Long = new()
    {
    };

    /// <summary>Folders and files in src that may write to the terminal, with the reason.</summary>
    private static readonly Dictionary<string, string> Speaking = new()
    {
        ["src/Mainstay/Logging/"] = "Log lines go to the standard output.",
        ["src/Mainstay/Hosting/"] = "The banner and the reason of a refused start are for the person at the terminal.",
    };

    /// <summary>What must not be written, where, and what to do instead.</summary>
    private static readonly (Regex Pattern, string[] In, string Message)[] Refused =
    [
        (Leftover(), [""], "A leftover note. Do it, or describe it where work is planned."),
        (NotImplemented(), ["src/", "samples/"], "Unfinished code. Finish it or leave the member out."),
        (EmptyCatch(), ["src/", "samples/"], "Every exception is swallowed, cancellation and bugs included. Name the exception that can happen, log it once, let the rest go up."),
        (Region(), ["src/", "tests/", "samples/", "benchmarks/"], "A folded region. Order the members, or split the file by subject."),
        (Sleeping(), ["src/", "tests/", "samples/", "benchmarks/"], "A thread sleeps. Wait for a signal, or Task.Delay with a TimeProvider and a token."),
        (WallClock(), ["src/", "tests/", "samples/"], "The wall clock. Use TimeProvider, or mainstay.now() in SQL."),
        (HomePath(), [""], "A path that exists on one machine only. Make it relative to the repository."),
        (RegistryHost(), [""], "A package registry is named. The reader's package client knows its own; in a lock file set omit-lockfile-registry-resolved=true."),
    ];

    [Fact]
    public void Nothing_is_written_that_the_house_refuses()
    {
        var findings = new Findings();
        foreach (var file in House.Files.Where(IsText))
        {
            var text = House.Read(file);
            foreach (var (pattern, folders, message) in Refused)
                if (folders.Any(folder => file.StartsWith(folder, StringComparison.Ordinal)))
                    foreach (Match match in pattern.Matches(text))
                        findings.Add(file, text, match.Index, $"'{FirstLine(match.Value)}': {message}");
        }
        findings.ShouldBeNone();
    }

    [Fact]
    public void Only_commands_write_to_the_terminal()
    {
        var findings = new Findings();
        foreach (var file in Sources().Where(file => !Speaking.Keys.Any(place => file.StartsWith(place, StringComparison.Ordinal))))
        {
            var text = House.Read(file);
            foreach (Match match in TerminalWrite().Matches(text))
                findings.Add(file, text, match.Index, $"'{match.Value}' writes to the terminal. Log it, or list the file in {nameof(TidyTests)}.{nameof(Speaking)} with the reason.");
        }
        findings.ShouldBeNone();
    }

    [Fact]
    public void Names_of_files_and_folders_say_what_is_inside()
    {
        var findings = new Findings();
        foreach (var file in House.Files.Where(file => EmptyName().IsMatch(file)))
            findings.Add(file, "a name that fits anything. Name it after the one thing a reader would look for, or move the code to where it is used.");
        findings.ShouldBeNone();
    }

    [Fact]
    public void A_source_file_has_one_subject_and_at_most_700_lines()
    {
        var findings = new Findings();
        foreach (var file in Sources().Where(file => House.Lines(file).Length - 1 > LinesMax && !Long.ContainsKey(file)))
            findings.Add(file, $"{House.Lines(file).Length - 1} lines, expected at most {LinesMax}. Split it by subject, or list it in {nameof(TidyTests)}.{nameof(Long)} with the reason.");
        foreach (var file in Long.Keys.Where(file => !House.Exists(file) || House.Lines(file).Length - 1 <= LinesMax))
            findings.Add(file, $"no longer long. Take it off {nameof(TidyTests)}.{nameof(Long)}.");
        findings.ShouldBeNone();
    }

    [Fact]
    public void Every_block_has_its_guide_sample_and_tests_under_one_stem()
    {
        var findings = new Findings();
        var folders = House.Files.Select(file => BlockFolder().Match(file)).Where(match => match.Success).ToLookup(match => match.Groups["stem"].Value, match => match.Value);
        foreach (var folder in folders.Where(folder => Blocks.All.All(block => block.Stem != folder.Key)))
            findings.Add(folder.First(), $"not in Blocks.cs. Add new(\"{folder.Key}\") there, or Block.Machinery(\"{folder.Key}\", \"why no user meets it\").");
        foreach (var block in Blocks.All)
        {
            if (!folders.Contains(block.Stem))
                findings.Add("tests/Mainstay.House.Tests/Blocks.cs", $"{block.Stem} has a row but no folder src/*/{block.Stem}. Remove or rename the row.");
            foreach (var part in new[] { block.Guide, block.Sample })
                if (part is not null && !House.Exists(part))
                    findings.Add($"src/*/{block.Stem}", $"{part} is missing. Write it, or say in Blocks.cs why there is none.");
            if (block.Tests is not null && !House.Files.Any(file => Regex.IsMatch(file, $"^tests/[^/]+/{block.Tests}/")))
                findings.Add($"src/*/{block.Stem}", $"no folder tests/*/{block.Tests}. Add the tests there, or say in Blocks.cs where they are.");
            if (block.Because is null && (block.Guide is null || block.Sample is null || block.Tests is null))
                findings.Add("tests/Mainstay.House.Tests/Blocks.cs", $"{block.Stem} leaves a part out without saying why. Set Because.");
        }
        findings.ShouldBeNone();
    }

    [Fact]
    public void The_changelog_has_a_place_for_the_next_release()
    {
        if (!House.Lines("CHANGELOG.md").Any(line => line.Trim('#', ' ', '[', ']') == "Unreleased" && line.StartsWith("## ", StringComparison.Ordinal)))
            Assert.Fail("CHANGELOG.md: no section '## Unreleased'. Every change that a user can notice is written there, in the commit that makes it.");
    }

    private static IEnumerable<string> Sources() => House.Files.Where(file => file.StartsWith("src/", StringComparison.Ordinal) && file.EndsWith(".cs", StringComparison.Ordinal));

    private static bool IsText(string file) => TextFiles.Contains(Path.GetExtension(file)) || Path.GetExtension(file).Length == 0;

    private static string FirstLine(string text) => text.Trim().Split('\n')[0];

    // The brackets keep this line from finding itself.
    [GeneratedRegex(@"\b(TO[D]O|FIX[M]E|HA[C]K|XX[X])\b|@@[A-Z]")]
    private static partial Regex Leftover();

    [GeneratedRegex(@"\bNotImplementedException\b")]
    private static partial Regex NotImplemented();

    // A comment inside the braces does not make it better.
    [GeneratedRegex(@"\bcatch\s*(\(\s*(System\.)?Exception(\s+\w+)?\s*\))?\s*\{(\s|//[^\n]*|/\*.*?\*/)*\}", RegexOptions.Singleline)]
    private static partial Regex EmptyCatch();

    [GeneratedRegex(@"^\s*#region", RegexOptions.Multiline)]
    private static partial Regex Region();

    [GeneratedRegex(@"\bThread\.Sleep\b(?=\()")]
    private static partial Regex Sleeping();

    [GeneratedRegex(@"\bDateTime(Offset)?\.(Utc)?Now\b")]
    private static partial Regex WallClock();

    [GeneratedRegex(@"(?<![\w.~/}*#-])(/(home(?!/linuxbrew/)|Users|root|work(space)?s?)/\w|[A-Z]:\\Users\\)")]
    private static partial Regex HomePath();

    [GeneratedRegex(@"https?://[^\s/""'`]*(registry|artifactory|nexus|jfrog|verdaccio|pkgs|mirror)[^\s/""'`]*|\bapi\.nuget\.org\b", RegexOptions.IgnoreCase)]
    private static partial Regex RegistryHost();

    [GeneratedRegex(@"\bConsole\.(Out\.|Error\.)?Write(Line)?(Async)?\(")]
    private static partial Regex TerminalWrite();

    [GeneratedRegex(@"((Helpers?|Managers?|Utils?|Utilities|Common|Shared|Misc)|(^|/)(helpers?|utils?|common|shared|misc))(\.[A-Za-z.]+)?(/|$)")]
    private static partial Regex EmptyName();

    [GeneratedRegex(@"^src/[^/]+/(?<stem>[^/.]+)/")]
    private static partial Regex BlockFolder();
}
