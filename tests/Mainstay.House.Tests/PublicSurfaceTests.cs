using System.Reflection;

namespace Mainstay.Tests;

/// <summary>The public surface of each package is a checked-in text file: a change of it is seen in review and belongs in the changelog.</summary>
public sealed class PublicSurfaceTests
{
    private const string Accept = "MAINSTAY_ACCEPT=1 dotnet test tests/Mainstay.House.Tests";

    /// <summary>Public classes that others may inherit from, with the reason.</summary>
    private static readonly Dictionary<string, string> Open = new()
    {
        ["WireFormat"] = "It is the default form of answers, and what other forms derive from.",
    };

    /// <summary>Awaitable methods whose name does not end in Async, as Type.Method with the reason.</summary>
    private static readonly Dictionary<string, string> NotCalledAsync = new()
    {
    };

    public static TheoryData<string> Packages => [.. Rooms.All.Where(room => room.IsLibrary && House.Projects.Contains(room.Project)).Select(room => room.Project)];

    [Theory, MemberData(nameof(Packages))]
    public void The_public_surface_is_the_one_that_was_reviewed(string package)
    {
        var file = $"tests/PublicApi/{package}.txt";
        var actual = $"# What {package} promises to its users. Accept a change with: {Accept}\n\n{PublicSurface.Print(House.Load(package))}";
        if (House.Accepts)
            House.Write(file, actual);

        var reviewed = House.Exists(file) ? House.Read(file) : "";
        if (reviewed != actual)
            Assert.Fail($"""
                The public surface of {package} differs from {file} (- reviewed, + now):

                {string.Join('\n', Differences.Between(reviewed.Split('\n'), actual.Split('\n')))}

                If the change is meant, write it into CHANGELOG.md under Unreleased and accept it: {Accept}
                If not, make the member internal.
                """);
    }

    [Theory, MemberData(nameof(Packages))]
    public void Public_types_lie_in_the_one_namespace_that_users_import(string package)
    {
        var findings = new Findings();
        foreach (var type in PublicSurface.PublicTypes(House.Load(package)).Where(type => type.Namespace != "Mainstay"))
            findings.Add(type.FullName!, type.Namespace == "Mainstay.Internal"
                ? "is public in Mainstay.Internal. Make it internal, or move it to the namespace Mainstay if applications need it."
                : $"is public in the namespace {type.Namespace ?? "(none)"}. Public types live in Mainstay; make it internal or move it.");
        findings.ShouldBeNone();
    }

    [Theory, MemberData(nameof(Packages))]
    public void Public_classes_are_sealed_static_or_abstract(string package)
    {
        var findings = new Findings();
        foreach (var type in PublicSurface.PublicTypes(House.Load(package)).Where(type => type is { IsClass: true, IsSealed: false, IsAbstract: false } && !Open.ContainsKey(type.Name)))
            findings.Add(type.FullName!, $"can be inherited from. Seal it, or list it in {nameof(PublicSurfaceTests)}.{nameof(Open)} with the reason.");
        findings.ShouldBeNone();
    }

    [Theory, MemberData(nameof(Packages))]
    public void Awaitable_methods_end_in_Async(string package)
    {
        var findings = new Findings();
        foreach (var type in PublicSurface.PublicTypes(House.Load(package)).Where(type => !typeof(Delegate).IsAssignableFrom(type)))
            foreach (var method in PublicSurface.Methods(type).Where(method => PublicSurface.IsAwaitable(method.ReturnType) && !method.Name.EndsWith("Async", StringComparison.Ordinal)))
                if (!NotCalledAsync.ContainsKey($"{type.Name}.{method.Name}") && method.GetBaseDefinition().DeclaringType == type)
                    findings.Add($"{type.FullName}.{method.Name}", $"returns {method.ReturnType.Name.Split('`')[0]}. Call it {method.Name}Async, so that a forgotten await is seen.");
        findings.ShouldBeNone();
    }
}
