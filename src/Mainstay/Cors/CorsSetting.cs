using System.Buffers;
using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.Extensions.Configuration;

namespace Mainstay.Internal;

/// <summary>The origins that are declared, or those of the setting <c>Mainstay:Cors:Origins</c>, which replaces them.</summary>
internal static class CorsSetting
{
    private const string Name = "Mainstay:Cors:Origins";

    /// <summary>How long a browser may remember what it was told about a path: a deployment that adds a method is usable after that.</summary>
    private static readonly TimeSpan preflightMaxAge = TimeSpan.FromMinutes(10);

    private static readonly SearchValues<char> token = SearchValues.Create("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    /// <summary>Request headers of the HTTP contract that a page may not send unasked.</summary>
    private static readonly string[] sent =
        ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "If-Unmodified-Since", "Prefer", "Request-Id", "baggage", "traceparent", "tracestate"];

    /// <summary>Response headers of the HTTP contract that a page may not read unasked.</summary>
    private static readonly string[] exposed =
    [
        "Accept-Patch", "Accept-Post", "Allow", "Content-Location", "Deprecation", "ETag", "Idempotency-Replayed", "Link", "Location", "Preference-Applied", RateLimitFields.Limit,
        RateLimitFields.Policy, "Request-Id", "Retry-After", "Sunset", "WWW-Authenticate",
    ];

    /// <summary>Null when no origin is allowed; then there is no trace of CORS.</summary>
    /// <exception cref="ConfigurationException">MST2301: an origin or a header that no browser would send.</exception>
    public static CorsPolicy? Of(CorsDeclaration declared, IConfiguration configuration)
    {
        var configured = Configured(configuration);
        var origins = (configured.Count > 0 ? configured : declared.Origins).Distinct(StringComparer.Ordinal).ToArray();
        if (origins.Length == 0 && declared.Headers.Count == 0 && !declared.HasCredentials)
            return null;
        var place = configured.Count > 0 ? Name : "Cors";
        List<ConfigurationException> mistakes = [];
        void Mistake(string what, string expected) => mistakes.Add(new ConfigurationException("MST2301", $"{place} {what}, expected {expected}."));
        if (origins.Length == 0)
            Mistake("allows something to no origin", "at least one origin, such as Cors(\"https://app.example.com\")");
        foreach (var origin in origins)
            if (Fault(origin) is { } fault)
                Mistake($"has the origin '{origin}', which {fault}", "scheme, host and port as a browser sends them, such as https://app.example.com or http://localhost:5173");
        if (origins.Contains("*") && (origins.Length > 1 || declared.HasCredentials))
            Mistake($"allows '*' together with {(declared.HasCredentials ? "credentials" : "other origins")}", "'*' alone, for what everybody may read, or each origin by its name");
        foreach (var header in declared.Headers)
            if (header.Length == 0 || header.AsSpan().ContainsAnyExcept(token))
                Mistake($"allows the header '{header}'", "the name of a header field, such as Api-Key");
        if (mistakes.Count > 0)
            throw new ConfigurationException(mistakes);
        return Policy(origins, declared);
    }

    /// <summary>A list, or one text with commas, which is what fits into an environment variable.</summary>
    private static List<string> Configured(IConfiguration configuration)
    {
        var section = configuration.GetSection(Name);
        var texts = section.Value is { } text ? text.Split(',') : section.GetChildren().Select(child => child.Value ?? "");
        return [.. texts.Select(origin => origin.Trim()).Where(origin => origin.Length > 0)];
    }

    private static string? Fault(string origin)
    {
        if (origin == "*")
            return null;
        if (origin.Contains('*', StringComparison.Ordinal))
            return "has a wildcard";
        if (origin == "null")
            return "is what every sandboxed page and local file says it is";
        if (!Uri.TryCreate(origin, UriKind.Absolute, out var uri) || uri.Host.Length == 0)
            return "is no origin";
        var normal = $"{uri.Scheme}://{(uri.HostNameType == UriHostNameType.IPv6 ? uri.Host : uri.IdnHost)}{(uri.IsDefaultPort ? "" : $":{uri.Port}")}";
        return origin == normal ? null : $"a browser never sends; it would be {normal}";
    }

    private static CorsPolicy Policy(string[] origins, CorsDeclaration declared)
    {
        var policy = new CorsPolicy { PreflightMaxAge = preflightMaxAge, SupportsCredentials = declared.HasCredentials };
        foreach (var origin in origins)
            policy.Origins.Add(origin);
        foreach (var header in sent.Concat(declared.Headers).Distinct(StringComparer.OrdinalIgnoreCase))
            policy.Headers.Add(header);
        foreach (var header in exposed)
            policy.ExposedHeaders.Add(header);
        return policy;
    }
}
