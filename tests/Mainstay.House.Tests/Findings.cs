namespace Mainstay.Tests;

/// <summary>Collects every breach of a rule before failing, so that one run shows all the work.</summary>
internal sealed class Findings
{
    private readonly List<string> found = [];

    public void Add(string place, string message) => found.Add($"{place}: {message}");

    /// <summary>Adds a finding at the line of an offset into a file's text.</summary>
    public void Add(string file, string text, int offset, string message) => Add($"{file}:{1 + text.AsSpan(0, offset).Count('\n')}", message);

    public void ShouldBeNone()
    {
        if (found.Count > 0)
            Assert.Fail($"{found.Count} finding(s):\n{string.Join('\n', found)}");
    }
}
