namespace Mainstay.Internal;

/// <summary>"Did you mean …?" for unknown names: the nearest known one by edit distance, if it is near enough to be a slip.</summary>
internal static class Suggestion
{
    public static string For(string unknown, IEnumerable<string> known)
    {
        var nearest = known.Select(name => (name, distance: Distance(unknown, name))).OrderBy(pair => pair.distance).FirstOrDefault();
        return nearest.name is not null && nearest.distance <= Math.Max(1, Math.Min(unknown.Length, nearest.name.Length) / 2) ? $" Did you mean '{nearest.name}'?" : "";
    }

    /// <summary>Levenshtein distance over the first 64 characters, case ignored.</summary>
    private static int Distance(string left, string right)
    {
        left = (left.Length > 64 ? left[..64] : left).ToLowerInvariant();
        right = (right.Length > 64 ? right[..64] : right).ToLowerInvariant();
        var row = Enumerable.Range(0, right.Length + 1).ToArray();
        for (var i = 1; i <= left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above + 1, row[j - 1] + 1), diagonal + (left[i - 1] == right[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[^1];
    }
}
