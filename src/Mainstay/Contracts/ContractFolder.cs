using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>The checked-in contracts of one application: a document for each version, and for each the list of what was broken on purpose.</summary>
internal sealed class ContractFolder(string path, string name)
{
    public string PathOf(string version) => Path.Combine(path, $"{name}.{version}.json");

    public string BreaksOf(string version) => Path.Combine(path, $"{name}.{version}.breaks.md");

    /// <summary>The versions that have a document here.</summary>
    public IReadOnlyList<string> Versions() => Directory.Exists(path)
        ? [.. Directory.EnumerateFiles(path, $"{name}.v*.json").Select(file => Path.GetFileName(file)[(name.Length + 1)..^".json".Length]).Where(version => ApiVersions.Of($"/{version}") is not null).Order(StringComparer.Ordinal)]
        : [];

    /// <summary>The bytes of a document without regard to how a checkout ends lines, or null when there is none.</summary>
    /// <exception cref="ConfigurationException">MST1601</exception>
    public string? Read(string version) => File.Exists(PathOf(version)) ? Try(version, file => File.ReadAllText(file).ReplaceLineEndings("\n")) : null;

    /// <exception cref="ConfigurationException">MST1601</exception>
    public JsonObject Parse(string version, string text)
    {
        try
        {
            if (JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) is JsonObject document && document["openapi"] is not null)
                return document;
        }
        catch (JsonException e)
        {
            throw Unreadable(version, e.Message, e);
        }
        throw Unreadable(version, "it is not an OpenAPI document");
    }

    /// <exception cref="ConfigurationException">MST1602</exception>
    public void Write(string version, string text) => Try(version, file =>
    {
        Directory.CreateDirectory(path);
        File.WriteAllText(file, text);
        return true;
    });

    /// <exception cref="ConfigurationException">MST1602</exception>
    public void Delete(string version) => Try(version, file =>
    {
        File.Delete(file);
        return true;
    });

    /// <summary>Adds what was broken and why to the end of the list, which is made at the first time.</summary>
    public void AddBreak(string version, string reason, string lines)
    {
        var file = BreaksOf(version);
        Try(version, _ =>
        {
            Directory.CreateDirectory(path);
            File.AppendAllText(file, $"{(File.Exists(file) ? "" : $"# What was broken in {name} {version} on purpose\n")}\n## {reason}\n\n{lines}");
            return true;
        });
    }

    private T Try<T>(string version, Func<string, T> act)
    {
        try
        {
            return act(PathOf(version));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException("MST1602", $"{PathOf(version)} cannot be read or written: {e.Message} Give the process the right to, or name another folder with --folder.", e);
        }
    }

    public ConfigurationException Unreadable(string version, string why, Exception? inner = null) => new("MST1601",
        $"{PathOf(version)} cannot be read: {why.TrimEnd('.')}. Restore it from version control; after a merge conflict take either side and run 'contract write'.", inner);
}
