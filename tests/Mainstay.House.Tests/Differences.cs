namespace Mainstay.Tests;

/// <summary>The lines that differ between two texts, each group under the type it belongs to.</summary>
internal static class Differences
{
    public static IEnumerable<string> Between(string[] before, string[] after)
    {
        // common[i, j] is the length of the longest common subsequence of before[i..] and after[j..].
        var common = new int[before.Length + 1, after.Length + 1];
        for (var i = before.Length - 1; i >= 0; i--)
            for (var j = after.Length - 1; j >= 0; j--)
                common[i, j] = before[i] == after[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);

        var (x, y, header, shown) = (0, 0, "", "");
        while (x < before.Length || y < after.Length)
        {
            if (x < before.Length && y < after.Length && before[x] == after[y])
            {
                header = before[x].StartsWith(' ') ? header : before[x];
                (x, y) = (x + 1, y + 1);
                continue;
            }
            var line = y == after.Length || (x < before.Length && common[x + 1, y] >= common[x, y + 1]) ? $"- {before[x++]}" : $"+ {after[y++]}";
            if (line.Length == 2)
                continue;
            if (line.StartsWith("-  ", StringComparison.Ordinal) || line.StartsWith("+  ", StringComparison.Ordinal))
            {
                if (shown != header)
                    yield return $"  {header}";
                shown = header;
            }
            else
            {
                header = shown = line[2..];
            }
            yield return line;
        }
    }
}
