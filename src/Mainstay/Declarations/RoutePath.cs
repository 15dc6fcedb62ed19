using System.Text.RegularExpressions;

namespace Mainstay.Internal;

/// <summary>Checks routes when they are declared, so that two spellings of one path cannot exist.</summary>
internal static partial class RoutePath
{
    private static readonly string[] commandMethods = ["POST", "PUT", "PATCH", "DELETE"];

    /// <exception cref="ConfigurationException">MST1001</exception>
    public static string Check(string path) => Collection().IsMatch(path)
        ? path
        : throw new ConfigurationException("MST1001", $"Path '{path}' cannot be a resource's, expected lower-case segments, as a rule behind a version, such as /v1/products.");

    /// <exception cref="ConfigurationException">MST1001</exception>
    public static (string Method, string Path) Split(string route, bool isCommand)
    {
        var parts = route.Split(' ');
        var methods = isCommand ? commandMethods : ["GET", "POST"];
        if (parts.Length != 2 || !methods.Contains(parts[0]) || !Route().IsMatch(parts[1]))
            throw new ConfigurationException("MST1001",
                $"Route '{route}' cannot be a {(isCommand ? "command" : "query")}'s, expected one of {string.Join(", ", methods)}, a space, and a path such as /v1/orders/{{id}}/cancel in lower case.");
        return (parts[0], parts[1]);
    }

    [GeneratedRegex("^(/[a-z0-9]+(-[a-z0-9]+)*)+$")]
    private static partial Regex Collection();

    [GeneratedRegex(@"^(/([a-z0-9]+([-:][a-z0-9]+)*|\{[a-z][a-zA-Z0-9]*\}))+$")]
    private static partial Regex Route();
}

internal static partial class ProblemCodes
{
    public static bool IsCode(string code) => Code().IsMatch(code);

    [GeneratedRegex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
    private static partial Regex Code();
}
