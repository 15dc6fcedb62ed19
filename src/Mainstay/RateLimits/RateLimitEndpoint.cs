using Microsoft.AspNetCore.Http;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>What happens around an endpoint with a limit, in an application that is not a <see cref="Backend"/>.</summary>
internal sealed class RateLimitEndpoint(RateLimitOptions options, RateLimiter limiter)
{
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next, RateLimits limits)
    {
        var http = invocation.HttpContext;
        var caller = options.Caller(http) is { Length: > 0 } id ? CallerKey.OfUser(id) : CallerKey.OfAddress(http.Connection.RemoteIpAddress);
        RateLimitVerdict verdict;
        try
        {
            verdict = await limiter.AdmitAsync(limits, caller, new DatabaseUsage(), Deadline.Never, http.RequestAborted);
        }
        catch (ProblemException unavailable)
        {
            return new ProblemAnswer(unavailable);
        }
        catch (NpgsqlException e) when (DatabaseErrors.IsStatementTimeout(e))
        {
            return new ProblemAnswer(DatabaseErrors.Unavailable(e));
        }
        RateLimitFields.Write(http.Response.Headers, limits, verdict);
        return verdict.Refusal is { } refusal ? new ProblemAnswer(refusal) : await next(invocation);
    }
}

/// <summary>One call of <see cref="RateLimitExtensions.WithRateLimit"/>, as metadata of its endpoints.</summary>
internal sealed class DeclaredRateLimit(int requests, TimeSpan per, string? name)
{
    public static RateLimits Join(string endpoint, IReadOnlyList<DeclaredRateLimit> declared) => new($"'{endpoint}'", [.. declared.Select(limit => limit.In(endpoint))]);

    public RateLimitPolicy In(string endpoint) => RateLimitPolicy.Create($"'{endpoint}'", endpoint, requests, per, name);
}
