using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>
/// The conditions of a request, in the order of RFC 9110, section 13.2.2: If-Match, else If-Unmodified-Since; then If-None-Match, else If-Modified-Since.
/// Asked last, when the request would otherwise succeed. There are no ranges, so If-Range is ignored.
/// </summary>
/// <remarks>
/// Rows have versions and no modification date. A recipient without one must ignore the two date conditions (sections 13.1.3 and 13.1.4), which costs a read
/// nothing. A change that was meant to be conditional is not made unconditionally: it is asked for If-Match instead.
/// </remarks>
internal static class Preconditions
{
    /// <summary>Whether the client has what a successful read would send.</summary>
    /// <param name="headers">Of the request.</param>
    /// <param name="etag">Of the representation that would be sent; null when it has none.</param>
    /// <exception cref="ProblemException"><c>precondition-failed</c></exception>
    public static bool IsNotModified(IHeaderDictionary headers, string? etag)
    {
        if (headers.IfMatch is { Count: > 0 } match && !EntityTags.Parse(match.ToString()).MatchesStrongly(etag))
            throw ProblemCatalogue.PreconditionFailed.Because("The representation is not, or no longer, the one that If-Match names. Ask for it without If-Match.");
        return etag is not null && headers.IfNoneMatch is { Count: > 0 } none && EntityTags.Parse(none.ToString()).MatchesWeakly(etag);
    }

    /// <summary>Lets a change pass whose conditions hold.</summary>
    /// <param name="call">The call.</param>
    /// <param name="version">Of the row as it was before the change; null when there was none.</param>
    /// <param name="isRequired">Whether the change needs an If-Match.</param>
    /// <exception cref="ProblemException"><c>precondition-failed</c> or <c>precondition-required</c></exception>
    public static void Demand(Call call, long? version, bool isRequired = false)
    {
        if (call.Incoming.Header("If-Match") is { } match)
        {
            if (version is not { } present)
                throw Failed("There is no row whose tag If-Match could name: this operation makes one, or answers with something else. Send the request without If-Match.");
            if (!EntityTags.Parse(match).MatchesVersion(present, isStrong: true))
                throw Failed("The row has changed since the ETag in If-Match was given out. Get it again, apply your change, and send the new ETag.");
        }
        else if (isRequired)
            throw ProblemCatalogue.PreconditionRequired.Because("Send If-Match with the ETag of the representation that you changed, so that nobody's change is lost.");
        else if (call.Incoming.Header("If-Unmodified-Since") is not null)
            throw ProblemCatalogue.PreconditionRequired.Because("Rows have no modification date that If-Unmodified-Since could be compared with. Send If-Match with the ETag of the row instead.");

        if (call.Incoming.Header("If-None-Match") is { } none && EntityTags.Parse(none) is var tags
            && (!tags.IsWellFormed || (version is { } existing && tags.MatchesVersion(existing, isStrong: false))))
            throw Failed(tags.IsWellFormed
                ? "If-None-Match names the present state of the row, or any state with '*', and the row is there."
                : "If-None-Match is neither '*' nor a list of tags such as \"v1\", so whether it holds cannot be told. Correct it.");
    }

    private static ProblemException Failed(string detail) => ProblemCatalogue.PreconditionFailed.Because(detail);
}
