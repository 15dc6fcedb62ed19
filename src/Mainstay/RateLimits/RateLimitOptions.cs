using System.Security.Claims;
using Microsoft.AspNetCore.Http;

namespace Mainstay;

/// <summary>How <see cref="RateLimitExtensions.AddRateLimits"/> counts.</summary>
public sealed record RateLimitOptions
{
    /// <summary>The database with the counters of all nodes. Default: the <c>NpgsqlDataSource</c> among the services, else the connection string <c>mainstay</c>.</summary>
    public string? ConnectionString { get; init; }

    /// <summary>
    /// Who is counted; null for whoever cannot be named, who is then counted by address (IPv6 by its /64). Default: the claim <c>sub</c>, else
    /// <see cref="ClaimTypes.NameIdentifier"/>, of a signed-in <see cref="HttpContext.User"/>.
    /// </summary>
    public Func<HttpContext, string?> Caller { get; init; } = CallerOf;

    /// <summary>With its issuer, because two issuers may give two people the same subject.</summary>
    private static string? CallerOf(HttpContext http) =>
        http.User.Identity is { IsAuthenticated: true } && (http.User.FindFirst("sub") ?? http.User.FindFirst(ClaimTypes.NameIdentifier)) is { Value.Length: > 0 } claim
            ? $"{claim.Issuer} {claim.Value}"
            : null;
}
