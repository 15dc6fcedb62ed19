using System.Text.RegularExpressions;

namespace Mainstay.Tests;

/// <summary>The modules of the sample for larger applications know each other in one direction, so that each folder can become a project.</summary>
public sealed partial class ModuleTests
{
    private const string Application = "samples/modular/shop/";

    [Fact]
    public void Modules_do_not_refer_to_each_other_in_a_circle()
    {
        var uses = Uses();

        Circle(uses).ShouldBeNull("Let the module that has to be told declare the event, and whoever tells it publish that.");
        uses["Fulfilment"].ShouldContain("Ordering");               // so that the test has looked at something
    }

    [Fact]
    public void A_circle_over_several_modules_is_found()
    {
        Circle(new() { ["A"] = ["B"], ["B"] = ["C"], ["C"] = ["B"] }).ShouldBe("B → C → B");
        Circle(new() { ["A"] = ["B", "C"], ["B"] = ["C"], ["C"] = [] }).ShouldBeNull();
        References("using Shop.B;\nvar x = 1; // see C.Order", ["B", "C"]).ShouldBe(["B"]);
        References("Shop.C.Order order;", ["B", "C"]).ShouldBe(["C"]);
    }

    /// <summary>By the name of each folder, the others that its files name.</summary>
    private static Dictionary<string, string[]> Uses()
    {
        var files = House.Files.Where(file => file.StartsWith(Application, StringComparison.Ordinal) && file.EndsWith(".cs", StringComparison.Ordinal) && file[Application.Length..].Contains('/', StringComparison.Ordinal))
            .GroupBy(file => file[Application.Length..].Split('/')[0]).ToDictionary(module => module.Key, module => string.Join('\n', module.Select(House.Read)));
        return files.ToDictionary(module => module.Key, module => References(module.Value, files.Keys.Where(other => other != module.Key)));
    }

    private static string[] References(string code, IEnumerable<string> modules)
    {
        var text = Comment().Replace(code, "");
        return [.. modules.Where(module => Regex.IsMatch(text, $@"\b{module}\s*[.;]"))];
    }

    /// <returns>The modules of one circle; null when there is none.</returns>
    private static string? Circle(Dictionary<string, string[]> uses)
    {
        var ended = new HashSet<string>();
        return uses.Keys.Select(module => From(module, [])).FirstOrDefault(circle => circle is not null);

        string? From(string module, string[] path)
        {
            if (Array.IndexOf(path, module) is >= 0 and var start)
                return string.Join(" → ", [.. path[start..], module]);
            var circle = ended.Contains(module) ? null : uses[module].Select(other => From(other, [.. path, module])).FirstOrDefault(found => found is not null);
            ended.Add(module);
            return circle;
        }
    }

    [GeneratedRegex(@"//[^\n]*")]
    private static partial Regex Comment();
}
