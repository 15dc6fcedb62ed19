using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>Problems for what the server and the router refuse themselves.</summary>
internal static class HttpProblems
{
    public static ProblemException Of(BadHttpRequestException error) => error.StatusCode switch
    {
        StatusCodes.Status413PayloadTooLarge => BodyTooLarge(OperationDefaults.BodyBytesMost),
        StatusCodes.Status408RequestTimeout => ProblemCatalogue.RequestTimeout.Because("The request body arrived too slowly. Send it again."),
        _ => ProblemCatalogue.MalformedRequest.Because("The request is not well-formed HTTP, or its body ended early. Check Content-Length and framing, and send it again."),
    };

    /// <summary>The problem for a status that no handler gave a body, or null.</summary>
    public static ProblemException? Of(int status, string method, string path, string? allow) => status switch
    {
        404 => ProblemCatalogue.NotFound.Because($"There is nothing at {path}. Check its spelling; paths are lower case, without a slash at the end."),
        405 => ProblemCatalogue.MethodNotAllowed.Because($"{path} does not take {method}; it takes {allow ?? "other methods"}."),
        400 => ProblemCatalogue.MalformedRequest.Because("The request is not well-formed."),
        401 => ProblemCatalogue.Unauthenticated.Because("Send a credential in the Authorization header."),
        403 => ProblemCatalogue.Forbidden.Because("This caller may not do that."),
        406 => ProblemCatalogue.NotAcceptable.Because("Only application/json is served here."),
        413 => BodyTooLarge(OperationDefaults.BodyBytesMost),
        414 => ProblemCatalogue.UriTooLong.Because("The request line is too long."),
        415 => ProblemCatalogue.UnsupportedMediaType.Because("The media type of the body is not accepted here."),
        431 => ProblemCatalogue.HeadersTooLarge.Because("The header fields are too large."),
        _ => null,
    };

    public static ProblemException BodyTooLarge(long most) => ProblemCatalogue.BodyTooLarge.Because($"The body is larger than {most} bytes. Send less at once.");
}
