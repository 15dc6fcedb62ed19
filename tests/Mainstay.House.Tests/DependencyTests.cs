using System.Collections.Frozen;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.AspNetCore.Builder;

namespace Mainstay.Tests;

/// <summary>References between the projects go one way, and packages stay where they belong. The table is <see cref="Rooms"/>.</summary>
public sealed class DependencyTests
{
    private static readonly FrozenSet<string> Platform = AssembliesBeside(typeof(object));
    private static readonly FrozenSet<string> Web = AssembliesBeside(typeof(WebApplication), "Microsoft.AspNetCore.App");

    [Fact]
    public void Every_project_has_its_place_in_the_table()
    {
        var findings = new Findings();
        foreach (var project in House.Projects.Where(project => Rooms.All.All(room => room.Project != project)))
            findings.Add($"src/{project}", "is not in Rooms.cs. State there what it may reference and why it is a package of its own.");
        findings.ShouldBeNone();
    }

    [Fact]
    public void Compiled_references_follow_the_allowed_edges()
    {
        var findings = new Findings();
        foreach (var room in Rooms.All.Where(room => House.Projects.Contains(room.Project)))
            foreach (var reference in CompiledReferences(room.Project))
                if (Refusal(room, reference) is { } refusal)
                    findings.Add($"{room.Project} → {reference}", refusal);
        findings.ShouldBeNone();
    }

    [Fact]
    public void Declared_references_are_allowed_and_packages_have_a_decision_page()
    {
        var findings = new Findings();
        foreach (var room in Rooms.All.Where(room => House.Projects.Contains(room.Project)))
        {
            var file = $"src/{room.Project}/{room.Project}.csproj";
            foreach (var (kind, name) in DeclaredReferences(file))
            {
                if (Refusal(room, name) is { } refusal)
                    findings.Add(file, $"{name}: {refusal}");
                else if (kind == "PackageReference" && !name.StartsWith("Microsoft.", StringComparison.Ordinal) && !House.Exists(DecisionPage(room, name)))
                    findings.Add(file, $"{name} reaches every user of {room.Project}. Write {DecisionPage(room, name)}: why it, what else was considered, what happens when it is abandoned.");
            }
        }
        findings.ShouldBeNone();
    }

    private static string? Refusal(Room room, string reference)
    {
        if (room.Ours.Contains(reference) || room.Packages.Any(pattern => Matches(reference, pattern)) || Platform.Contains(reference) || (room.Web && Web.Contains(reference)))
            return null;
        var instead = Rooms.All.Any(other => other.Project == reference)
            ? $"References go Core ← Postgres ← Mainstay ← Testing. Move the code, or pass what is needed as a delegate or interface of {room.Project}."
            : Web.Contains(reference) ? "It belongs to the ASP.NET Core shared framework. Use an Abstractions package, or move the code to Mainstay." : "A new package needs a row in Rooms.cs and a page in docs/decisions.";
        return $"forbidden. {room.Because} {instead}";
    }

    private static List<string> CompiledReferences(string project)
    {
        using var assembly = new PEReader(File.OpenRead(House.AssemblyPath(project)));
        var metadata = assembly.GetMetadataReader();
        return [.. metadata.AssemblyReferences.Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name)).Order(StringComparer.Ordinal)];
    }

    /// <summary>References that reach the user: not those of the build alone.</summary>
    private static IEnumerable<(string Kind, string Name)> DeclaredReferences(string file) =>
        from element in XDocument.Load(House.FullPath(file)).Descendants()
        where element.Name.LocalName is "PackageReference" or "ProjectReference" or "FrameworkReference" && element.Attribute("Include") is not null
        where (string?)element.Attribute("PrivateAssets") != "all" && (string?)element.Attribute("ReferenceOutputAssembly") != "false"
        let include = element.Attribute("Include")!.Value
        select (element.Name.LocalName, element.Name.LocalName == "ProjectReference" ? Path.GetFileNameWithoutExtension(include.Replace('\\', '/')) : include);

    private static string DecisionPage(Room room, string package)
    {
        var family = room.Packages.First(pattern => Matches(package, pattern)).TrimEnd('*', '.');
        return $"docs/decisions/{family.Replace('.', '-').ToLowerInvariant()}.md";
    }

    private static bool Matches(string name, string pattern) => Regex.IsMatch(name, $"^{Regex.Escape(pattern).Replace(@"\*", ".*", StringComparison.Ordinal)}$");

    private static FrozenSet<string> AssembliesBeside(Type type, params string[] framework) =>
        Directory.EnumerateFiles(Path.GetDirectoryName(type.Assembly.Location)!, "*.dll").Select(file => Path.GetFileNameWithoutExtension(file)).Concat(framework).ToFrozenSet();
}
