using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Internal;

/// <summary>
/// Tells browsers what pages of other origins may do, by ASP.NET Core's own evaluation of a policy. Two things differ from its middleware: the headers are
/// on every response, refusals of server, router and sign-in included, because a browser hides a response without them; and a preflight names the
/// methods of its path, those of <c>Allow</c>, instead of one list for the whole application.
/// </summary>
internal sealed class CorsHeaders(CorsPolicy policy, ICorsService cors)
{
    /// <summary>Around everything.</summary>
    public static void UseAround(WebApplication app)
    {
        if (app.Services.GetService<CorsHeaders>() is { } headers)
            app.Use(headers.AroundAsync);
    }

    /// <summary>
    /// After routing: a preflight for a path that does not exist is let pass without a word about methods, so that the page sees the 404 of the request
    /// itself. The preflight's own status is shown to nobody.
    /// </summary>
    public static void UsePreflights(WebApplication app)
    {
        if (app.Services.GetService<CorsHeaders>() is { } headers)
            app.Use(headers.LetPassAsync);
    }

    private Task AroundAsync(HttpContext http, RequestDelegate next)
    {
        // When the response starts, not before: whoever answers sets its own Vary, and preflights are answered with Allow first.
        http.Response.OnStarting(() =>
        {
            Write(http);
            return Task.CompletedTask;
        });
        return next(http);
    }

    private Task LetPassAsync(HttpContext http, RequestDelegate next)
    {
        if (!IsPreflight(http.Request) || http.GetEndpoint() is not null || !cors.EvaluatePolicy(http, policy).IsOriginAllowed)
            return next(http);
        http.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    private void Write(HttpContext http)
    {
        var (request, response) = (http.Request, http.Response);
        // Also on answers to requests that name no origin: a cache must not give those to a page that does.
        response.Headers.Vary = response.Headers.Vary.Count == 0 ? "Origin" : $"{response.Headers.Vary}, Origin";
        if (request.Headers.Origin.Count != 1)
            return;
        var result = cors.EvaluatePolicy(http, policy);
        result.VaryByOrigin = false;
        if (IsPreflight(request))
            foreach (var method in response.Headers.Allow.ToString().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                result.AllowedMethods.Add(method);
        cors.ApplyResult(result, response);
    }

    private static bool IsPreflight(HttpRequest request) => HttpMethods.IsOptions(request.Method) && request.Headers.Origin.Count == 1 && request.Headers.AccessControlRequestMethod.Count > 0;
}
