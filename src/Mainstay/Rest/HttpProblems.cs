using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>Problems for what the server and the router refuse themselves.</summary>
internal static class HttpProblems
{
    /// <summary>What the server found wrong with a body while it was read.</summary>
    public static ProblemException Of(BadHttpRequestException error) => error.StatusCode switch
    {
        StatusCodes.Status413PayloadTooLarge => BodyTooLarge(OperationDefaults.BodyBytesMost),
        StatusCodes.Status408RequestTimeout => ProblemCatalogue.RequestTimeout.Because("The request body arrived too slowly. Send it again."),
        _ => ProblemCatalogue.MalformedRequest.Because("The request is not well-formed HTTP, or its body ended early. Check Content-Length and framing, and send it again."),
    };

    /// <summary>A body that cannot be read to its end. Of chunk sizes that do not fit into a number the server speaks in a bare <see cref="IOException"/>.</summary>
    public static ProblemException OfBody(IOException error) => error is BadHttpRequestException bad
        ? Of(bad)
        : ProblemCatalogue.MalformedRequest.Because("The body could not be read to its end. Check its framing, and send the request again.");

    /// <summary>What the server found wrong before there was a request to handle.</summary>
    public static ProblemException OfServer(BadHttpRequestException error) => error.StatusCode switch
    {
        StatusCodes.Status405MethodNotAllowed => ProblemCatalogue.MalformedRequest.Because("The request target does not belong to the method. Send a path that begins with a slash."),
        StatusCodes.Status408RequestTimeout => ProblemCatalogue.RequestTimeout.Because($"The header fields did not arrive within {ServerLimits.HeadersTimeout.TotalSeconds:0} s. Send the request again."),
        StatusCodes.Status413PayloadTooLarge => BodyTooLarge(OperationDefaults.BodyBytesMost),
        StatusCodes.Status414RequestUriTooLong => ProblemCatalogue.UriTooLong.Because($"The request line is longer than {ServerLimits.RequestLineBytesMost} bytes. Ask for less at once."),
        StatusCodes.Status431RequestHeaderFieldsTooLarge => ProblemCatalogue.HeadersTooLarge.Because(
            $"There are more than {ServerLimits.HeadersMost} header fields, or they are longer than {ServerLimits.HeaderBytesMost} bytes together. Send fewer or shorter ones."),
        StatusCodes.Status505HttpVersionNotsupported => ProblemCatalogue.HttpVersionNotSupported.Because("The version of HTTP is not one that is served here. Use HTTP/1.1 or, over TLS, HTTP/2."),
        _ => ProblemCatalogue.MalformedRequest.Because($"{Reason(error.Message)}. The connection is closed; send well-formed HTTP on a new one."),
    };

    /// <summary>The problem for a status that no handler gave a body, or null.</summary>
    public static ProblemException? Of(int status) => status switch
    {
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

    public static ProblemException NotFound(string path, string? suggestion) => ProblemCatalogue.NotFound.Because(
        $"There is nothing at {path}. {(suggestion is null ? "Check its spelling; paths have one, without a slash at the end." : $"Did you mean {suggestion}? Paths have one spelling.")}");

    public static ProblemException MethodNotAllowed(string what, string method, string allow) => ProblemCatalogue.MethodNotAllowed.Because($"{what} does not take {method}; it takes {allow}.");

    public static ProblemException BodyTooLarge(long most) => ProblemCatalogue.BodyTooLarge.Because($"The body is larger than {most} bytes. Send less at once.");

    /// <summary>The server's own words, without what it quotes of the request: that can be a credential.</summary>
    private static string Reason(string message)
    {
        var quote = message.StartsWith("Malformed", StringComparison.Ordinal) ? -1 : message.IndexOf(':', StringComparison.Ordinal);
        return (quote < 0 ? message : message[..quote]).TrimEnd('.');
    }
}
