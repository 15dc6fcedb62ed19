using System.Security.Claims;
using Mainstay.Internal;
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

    /// <summary>
    /// The largest answer that is kept, headers and body, in bytes. A request whose answer would be larger is refused with <c>answer-too-large</c> and
    /// rolled back, because its repetition could not be answered. Default: 4 MiB.
    /// </summary>
    public int AnswerBytesMost { get; init; } = Receipts.AnswerBytesMost;

    /// <summary>
    /// Where clients read how this application uses keys: refusals about a key link to it with <c>rel="describedby"</c>. Default: no link.
    /// </summary>
    public Uri? Documentation { get; init; }

    /// <summary>
    /// Whose key it is, so that callers cannot see each other's answers; null when nobody can be told apart, and then the key is neither kept nor
    /// looked up. Default: the claim <c>sub</c>, else <see cref="ClaimTypes.NameIdentifier"/>, of a signed-in <see cref="HttpContext.User"/>.
    /// </summary>
    public Func<HttpContext, string?> Scope { get; init; } = CallerOf;

    internal const int SizeMost = 64 * 1024 * 1024;

    internal static bool IsLifetime(TimeSpan time) => time >= TimeSpan.FromMinutes(1) && time <= TimeSpan.FromDays(365);

    internal static bool IsSize(int bytes) => bytes is > 0 and <= SizeMost;

    internal void Check()
    {
        List<ConfigurationException> mistakes = [];
        void Expect(bool holds, string name, object value, string expected)
        {
            if (!holds)
                mistakes.Add(new("MST2001", $"IdempotencyOptions.{name} is {value}, expected {expected}."));
        }
        Expect(IsLifetime(Lifetime), nameof(Lifetime), Lifetime, "1 min to 365 days. It must be longer than your clients keep retrying");
        Expect(Wait > TimeSpan.Zero && Wait <= TimeSpan.FromMinutes(1), nameof(Wait), Wait, "more than zero and at most 1 min, less than your clients wait for an answer");
        Expect(IsSize(BodyBytesMost), nameof(BodyBytesMost), BodyBytesMost, $"1 to {SizeMost} bytes");
        Expect(IsSize(AnswerBytesMost), nameof(AnswerBytesMost), AnswerBytesMost, $"1 to {SizeMost} bytes");
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
