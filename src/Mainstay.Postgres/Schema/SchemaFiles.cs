using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Mainstay.Internal;

/// <summary>One numbered file of Mainstay's own tables. Applied once per database and never edited afterwards; a change is a file with the next number.</summary>
internal sealed record SchemaFile(int Number, string Name, string Sql, string Checksum)
{
    /// <summary>Applies the file and records that it did.</summary>
    public string Script => $"{Sql.TrimEnd()}\ninsert into mainstay.migrations (number, name, checksum) values ({Number}, {SqlName.Literal(Name)}, {SqlName.Literal(Checksum)});";
}

/// <summary>The files that this build brings along, embedded into it.</summary>
internal static partial class SchemaFiles
{
    public static IReadOnlyList<SchemaFile> All { get; } = Read();

    public static int Newest => All[^1].Number;

    private static SchemaFile[] Read()
    {
        var assembly = typeof(SchemaFiles).Assembly;
        var files = assembly.GetManifestResourceNames().Select(resource => (Resource: resource, Match: NumberedFile.Match(resource))).Where(found => found.Match.Success).Select(found =>
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(found.Resource)!, Encoding.UTF8);
            // A checkout with other line ends is the same file.
            var sql = reader.ReadToEnd().ReplaceLineEndings("\n");
            return new SchemaFile(int.Parse(found.Match.Groups["number"].ValueSpan, CultureInfo.InvariantCulture), found.Match.Groups["name"].Value, sql,
                Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sql))));
        });
        return [.. files.OrderBy(file => file.Number)];
    }

    [GeneratedRegex(@"\.(?<name>(?<number>[0-9]{4})_[a-z0-9_]+)\.sql$")]
    private static partial Regex NumberedFile { get; }
}
