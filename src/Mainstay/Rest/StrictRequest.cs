using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Primitives;

namespace Mainstay.Internal;

/// <summary>
/// The checks that every request passes between the router and its operation: what the server reads more leniently than the standards allow is
/// refused here, once. It is one middleware, so that what strictness costs can be measured by leaving it out.
/// </summary>
internal sealed class StrictRequest(RouteTable routes, IReadOnlyList<StringSegment>? hosts, RequestDelegate next)
{
    /// <summary>The setting <c>AllowedHosts</c> of ASP.NET Core: names separated by semicolons, <c>*.example.com</c> for subdomains; null for any.</summary>
    public static IReadOnlyList<StringSegment>? HostsOf(IConfiguration configuration)
    {
        var hosts = (configuration["AllowedHosts"] ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return hosts.Length == 0 || hosts.Contains("*") ? null : [.. hosts.Select(host => new StringSegment(host))];
    }

    public Task InvokeAsync(HttpContext http)
    {
        var request = http.Request;
        if (!IsOrdinary(request.Method))
            CheckMethod(http);
        if (request.Headers.TransferEncoding.Count > 0)
            CheckFraming(http);
        if (!request.Host.HasValue || hosts is not null)
            CheckHost(http);
        CheckPath(http);
        return next(http);
    }

    private static bool IsOrdinary(string method) => method is "GET" or "POST" or "PUT" or "PATCH" or "DELETE" or "HEAD" or "OPTIONS";

    /// <summary>Methods are case-sensitive and the router is not; CONNECT names no path; TRACE would echo credentials. Each gets what its path takes.</summary>
    private void CheckMethod(HttpContext http)
    {
        var (method, path) = (http.Request.Method, http.Request.Path.Value ?? "");
        var isConnect = HttpMethods.IsConnect(method);
        if (isConnect)
            http.Response.Headers.Connection = "close"; // what follows is meant for a tunnel
        var allow = isConnect ? RouteTable.AllOfServer : routes.AllowOf(path) ?? throw HttpProblems.NotFound(path, routes.SuggestionFor(path));
        http.Response.Headers.Allow = allow;
        throw HttpProblems.MethodNotAllowed(isConnect ? "The server" : path, method, allow);
    }

    /// <summary>
    /// The server takes any list of codings that ends in chunked and decodes only that, and of Content-Length and Transfer-Encoding in one request
    /// it drops the first, leaving it as X-Content-Length. A proxy in front may have seen another end of the request.
    /// </summary>
    private static void CheckFraming(HttpContext http)
    {
        var codings = http.Request.Headers.TransferEncoding;
        var isPlain = codings.Count == 1 && "chunked".Equals(codings[0], StringComparison.OrdinalIgnoreCase);
        var hasLength = http.Request.Headers.ContainsKey("X-Content-Length");
        if (isPlain && !hasLength && !HttpProtocol.IsHttp10(http.Request.Protocol))
            return;
        http.Response.Headers.Connection = "close";
        throw hasLength || isPlain
            ? ProblemCatalogue.MalformedRequest.Because($"The request has Transfer-Encoding {(hasLength ? "and Content-Length" : "in HTTP/1.0")}, so its end is in doubt. Send Content-Length alone.")
            : ProblemCatalogue.UnsupportedTransferCoding.Because("Transfer-Encoding is not chunked, once. Send the body with Content-Length or 'Transfer-Encoding: chunked'; compression of bodies is not supported.");
    }

    /// <summary>An empty Host is well-formed, but names no server. HTTP/1.0 may leave it out where no host is demanded.</summary>
    private void CheckHost(HttpContext http)
    {
        var host = http.Request.Host;
        if (!host.HasValue && (hosts is not null || !HttpProtocol.IsHttp10(http.Request.Protocol)))
            throw ProblemCatalogue.MalformedRequest.Because("The Host header is empty. Send the name of the server that you called.");
        if (hosts is not null && !HostString.MatchesAny(host.Host, (IList<StringSegment>)hosts))
            throw ProblemCatalogue.MalformedRequest.Because("The Host header names another server than this one. Call it by its own name.");
    }

    private void CheckPath(HttpContext http)
    {
        var (request, path) = (http.Request, http.Request.Path.Value ?? "");
        var sent = http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        var fault = sent == "*" ? PathSpelling.Fault.None : PathSpelling.FaultOf(sent, path, request.QueryString.Value ?? "");
        if (fault == PathSpelling.Fault.Malformed)
            throw ProblemCatalogue.MalformedRequest.Because("The path is not percent-encoded UTF-8 text without control characters. Encode each segment on its own.");
        if (fault == PathSpelling.Fault.Other || (http.GetEndpoint() is RouteEndpoint route && !PathSpelling.IsExact(route.RoutePattern, path)))
        {
            var asked = Uri.UnescapeDataString(PathSpelling.PathOf(sent));
            throw HttpProblems.NotFound(asked, routes.SuggestionFor(asked));
        }
    }
}
