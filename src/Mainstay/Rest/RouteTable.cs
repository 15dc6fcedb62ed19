using System.Text;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;

namespace Mainstay.Internal;

/// <summary>
/// Which paths exist and which methods they take, from the endpoints themselves. Asked only when a request is refused or is OPTIONS, so that
/// <c>Allow</c> is complete where several operations share a path, and a wrong spelling can be told the right one.
/// </summary>
internal sealed class RouteTable(EndpointDataSource endpoints)
{
    private static readonly string[] ordinaryMethods = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

    /// <summary>For <c>OPTIONS *</c> and CONNECT, which speak of the server and not of a path.</summary>
    public static string AllOfServer { get; } = string.Join(", ", ordinaryMethods);

    /// <summary>The methods of a path with exactly this spelling, OPTIONS among them, in order; null where there is nothing.</summary>
    public string? AllowOf(string path)
    {
        var methods = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var endpoint in endpoints.Endpoints)
            if (endpoint is RouteEndpoint route && PathSpelling.IsExact(route.RoutePattern, path))
                methods.UnionWith(route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ordinaryMethods);
        if (methods.Count == 0)
            return null;
        methods.Add("OPTIONS");
        return string.Join(", ", methods);
    }

    /// <summary>The path that was probably meant, or null: the same segments, without dots, doubled slashes and a slash at the end, in the case of the declaration.</summary>
    public string? SuggestionFor(string path)
    {
        var segments = Resolve(path);
        foreach (var endpoint in endpoints.Endpoints)
            if (endpoint is RouteEndpoint { RoutePattern: var pattern } && Spell(pattern, segments) is { } spelled && spelled != path)
                return spelled;
        return null;
    }

    private static List<string> Resolve(string path)
    {
        var segments = new List<string>();
        foreach (var segment in path.Replace('\\', '/').Split('/', StringSplitOptions.RemoveEmptyEntries))
            if (segment == "..")
                segments.RemoveRange(Math.Max(0, segments.Count - 1), Math.Min(1, segments.Count));
            else if (segment != ".")
                segments.Add(segment);
        return segments;
    }

    private static string? Spell(RoutePattern pattern, List<string> segments)
    {
        if (pattern.PathSegments.Count != segments.Count || segments.Count == 0)
            return null;
        var path = new StringBuilder();
        for (var i = 0; i < segments.Count; i++)
        {
            var literal = pattern.PathSegments[i].Parts[0] as RoutePatternLiteralPart;
            if (literal is not null && !literal.Content.Equals(segments[i], StringComparison.OrdinalIgnoreCase))
                return null;
            path.Append('/').Append(literal?.Content ?? Uri.EscapeDataString(segments[i]));
        }
        return path.ToString();
    }
}
