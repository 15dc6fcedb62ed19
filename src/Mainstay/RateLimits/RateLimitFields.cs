using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>The fields of draft-ietf-httpapi-ratelimit-headers. They belong to a response and not to an answer: a receipt keeps neither.</summary>
internal static class RateLimitFields
{
    public const string Policy = "RateLimit-Policy";
    public const string Limit = "RateLimit";

    public static void Write(IHeaderDictionary headers, RateLimits? limits, RateLimitVerdict? verdict)
    {
        if (limits is null)
            return;
        headers[Policy] = limits.PolicyField;
        if (verdict is not null)
            headers[Limit] = verdict.Field();
    }
}
