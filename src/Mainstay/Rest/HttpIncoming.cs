using System.Buffers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Mainstay.Internal;

/// <summary>A call that arrived as an HTTP request.</summary>
internal sealed class HttpIncoming(HttpContext http, Authenticator authenticator) : IIncoming
{
    private readonly HttpContext _http = http;

    public IServiceProvider Services => _http.RequestServices;

    public System.Net.IPAddress? RemoteAddress => _http.Connection.RemoteIpAddress;

    public QueryParameters Query => field ??= QueryParameters.Parse(_http.Request.QueryString.Value ?? "");

    public ValueTask<User> AuthenticateAsync(CancellationToken cancellation) => authenticator.AuthenticateAsync(_http, cancellation);

    public string Path => _http.Request.PathBase.Add(_http.Request.Path).ToUriComponent();

    public string? Route(string name) => _http.Request.RouteValues[name] as string;

    public string? Header(string name) => _http.Request.Headers.TryGetValue(name, out var values) ? values.ToString() : null;

    public async ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync(Operation operation, CancellationToken cancellation)
    {
        Accept();
        var request = _http.Request;
        var hasBody = _http.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody ?? request.ContentLength is > 0;
        if (operation.MediaTypes.Count == 0)
            return hasBody ? await RefuseBodyAsync(request, cancellation) : default;
        CheckMediaType(operation);
        CheckCoding();
        return await BodyAsync(request, cancellation);
    }

    public ReceiptKey? Key(User user, ReadOnlyMemory<byte> body)
    {
        if (!_http.Request.Headers.TryGetValue("Idempotency-Key", out var values))
            return null;
        var key = IdempotencyKey.Parse(values);
        // A stranger's key is neither kept nor looked up: it would show one stranger the answer to another.
        return user.IsAuthenticated ? new ReceiptKey(user.Id, key, Fingerprint.Of(_http.Request, body.Span)) : null;
    }

    private void Accept()
    {
        if (_http.Request.Headers.Accept is { Count: > 0 } accept && !MediaTypes.Accepts(accept.ToString(), WireFormat.Json))
            throw ProblemCatalogue.NotAcceptable.Because($"Only {WireFormat.Json} is served here (problems as {WireFormat.ProblemJson}). Send 'Accept: {WireFormat.Json}', or no Accept.");
    }

    private void CheckMediaType(Operation operation)
    {
        if (MediaTypes.Matches(_http.Request.ContentType, operation.MediaTypes))
            return;
        if (operation.Method is "PATCH" or "POST")
            _http.Response.Headers[operation.Method == "PATCH" ? "Accept-Patch" : "Accept-Post"] = string.Join(", ", operation.MediaTypes);
        throw ProblemCatalogue.UnsupportedMediaType.Because(
            $"Content-Type is {(string.IsNullOrEmpty(_http.Request.ContentType) ? "missing" : "not one that is accepted here")}, expected {string.Join(" or ", operation.MediaTypes)} in UTF-8.");
    }

    private void CheckCoding()
    {
        if (_http.Request.Headers.ContentEncoding is not { Count: > 0 } coding || coding.ToString().Trim().Equals("identity", StringComparison.OrdinalIgnoreCase))
            return;
        _http.Response.Headers.AcceptEncoding = "identity";
        throw ProblemCatalogue.UnsupportedContentCoding.Because("The body has a Content-Encoding, expected none. Send it uncompressed.");
    }

    /// <summary>Where no body is expected, an empty one and the empty object that many clients send are harmless; anything else is a misunderstanding.</summary>
    private static async ValueTask<ReadOnlyMemory<byte>> RefuseBodyAsync(HttpRequest request, CancellationToken cancellation)
    {
        var body = await BodyAsync(request, cancellation);
        return body.Span.Trim(" \t\r\n"u8) is { Length: 0 } or [(byte)'{', (byte)'}']
            ? body
            : throw ProblemCatalogue.MalformedRequest.Because("This operation takes no body. Send the request without one.");
    }

    private static async ValueTask<ReadOnlyMemory<byte>> BodyAsync(HttpRequest request, CancellationToken cancellation)
    {
        if (request.ContentLength > OperationDefaults.BodyBytesMost)
            throw HttpProblems.BodyTooLarge(OperationDefaults.BodyBytesMost);
        try
        {
            return await ReadToEndAsync(request, cancellation);
        }
        catch (BadHttpRequestException e)
        {
            throw HttpProblems.Of(e); // broken framing, too slow, or longer than the server reads
        }
    }

    private static async ValueTask<ReadOnlyMemory<byte>> ReadToEndAsync(HttpRequest request, CancellationToken cancellation)
    {
        while (true)
        {
            var read = await request.BodyReader.ReadAsync(cancellation);
            if (read.Buffer.Length > OperationDefaults.BodyBytesMost)
                throw HttpProblems.BodyTooLarge(OperationDefaults.BodyBytesMost);
            if (read.IsCompleted)
            {
                // Copied: the pipe takes its buffer back, and the body is still needed for the fingerprint and the input.
                var body = read.Buffer.ToArray();
                request.BodyReader.AdvanceTo(read.Buffer.End);
                return body;
            }
            request.BodyReader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }
}

/// <summary>Media types in Accept and Content-Type.</summary>
internal static class MediaTypes
{
    /// <summary>Whether an Accept header admits a type with a weight above zero. The most specific range decides.</summary>
    public static bool Accepts(string accept, string type)
    {
        var best = (Rank: 0, Weight: 0.0);
        foreach (var part in accept.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var pieces = part.Split(';', StringSplitOptions.TrimEntries);
            var rank = Rank(pieces[0], type);
            var weight = 1.0;
            foreach (var piece in pieces.Skip(1))
                if (piece.StartsWith("q=", StringComparison.OrdinalIgnoreCase))
                    weight = double.TryParse(piece.AsSpan(2), System.Globalization.CultureInfo.InvariantCulture, out var given) ? given : 0;
            if (rank > best.Rank || (rank == best.Rank && weight > best.Weight))
                best = (rank, weight);
        }
        return best.Rank > 0 && best.Weight > 0;
    }

    /// <summary>Whether a Content-Type is one of the given, in UTF-8 if it says anything about that.</summary>
    public static bool Matches(string? contentType, IReadOnlyList<string> types)
    {
        if (contentType is null || !Microsoft.Net.Http.Headers.MediaTypeHeaderValue.TryParse(contentType, out var parsed))
            return false;
        return types.Any(type => parsed.MediaType.Equals(type, StringComparison.OrdinalIgnoreCase))
            && (StringSegment.IsNullOrEmpty(parsed.Charset) || parsed.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase) || parsed.Charset.Equals("\"utf-8\"", StringComparison.OrdinalIgnoreCase));
    }

    private static int Rank(string range, string type) =>
        range.Equals(type, StringComparison.OrdinalIgnoreCase) || range.Equals(WireFormat.ProblemJson, StringComparison.OrdinalIgnoreCase) ? 3
        : range.Equals("application/*", StringComparison.OrdinalIgnoreCase) ? 2
        : range == "*/*" ? 1
        : 0;
}
