using System.Security.Claims;
using Microsoft.AspNetCore.Http;

namespace Mainstay;

/// <summary>How idempotency keys are kept. Checked by <see cref="IdempotencyExtensions.AddIdempotency"/>, which reports all mistakes together.</summary>
public sealed record IdempotencyOptions
{
    /// <summary>
    /// The database that the endpoints' transactions are in. Default: the <c>NpgsqlDataSource</c> among the services, else the connection string <c>mainstay</c>.
    /// </summary>
    public string? ConnectionString { get; init; }

    /// <summary>How long a key is remembered; afterwards it starts afresh. Default: 24 h.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long a repetition waits for a first request that is still running, before it is answered with 409. Default: 10 s.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The largest body of a keyed request, in bytes: it is held in memory for its fingerprint. Default: 1 MiB.</summary>
    public int BodyBytesMost { get; init; } = 1024 * 1024;

    /// <summary>The largest answer that is kept, in bytes. Default: 1 MiB.</summary>
    public int AnswerBytesMost { get; init; } = 1024 * 1024;

    /// <summary>
    /// Whose key it is, so that callers cannot see each other's answers; null when nobody can be told apart, and then the key is neither kept nor
    /// looked up. Default: the claim <c>sub</c>, else <see cref="ClaimTypes.NameIdentifier"/>, of a signed-in <see cref="HttpContext.User"/>.
    /// </summary>
    public Func<HttpContext, string?> Scope { get; init; } = CallerOf;

    internal void Check()
    {
        List<ConfigurationException> mistakes = [];
        void Expect(bool holds, string name, object value, string expected)
        {
            if (!holds)
                mistakes.Add(new("MST2001", $"IdempotencyOptions.{name} is {value}, expected {expected}."));
        }
        Expect(Lifetime >= TimeSpan.FromMinutes(1) && Lifetime <= TimeSpan.FromDays(365), nameof(Lifetime), Lifetime, "1 min to 365 days. It must be longer than your clients keep retrying");
        Expect(Wait > TimeSpan.Zero && Wait <= TimeSpan.FromMinutes(1), nameof(Wait), Wait, "more than zero and at most 1 min, less than your clients wait for an answer");
        Expect(BodyBytesMost is > 0 and <= 64 * 1024 * 1024, nameof(BodyBytesMost), BodyBytesMost, "1 to 67108864 bytes");
        Expect(AnswerBytesMost is > 0 and <= 64 * 1024 * 1024, nameof(AnswerBytesMost), AnswerBytesMost, "1 to 67108864 bytes");
        Expect(Scope is not null, nameof(Scope), "null", "a function that names the caller");
        if (mistakes.Count > 0)
            throw new ConfigurationException(mistakes);
    }

    /// <summary>With its issuer, because two issuers may give two people the same subject.</summary>
    private static string? CallerOf(HttpContext http) =>
        http.User.Identity is { IsAuthenticated: true } && (http.User.FindFirst("sub") ?? http.User.FindFirst(ClaimTypes.NameIdentifier)) is { Value.Length: > 0 } claim
            ? $"{claim.Issuer} {claim.Value}"
            : null;
}
