using System.Buffers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Mainstay.Internal;

/// <summary>A call that arrived as an HTTP request.</summary>
internal sealed class HttpIncoming(HttpContext http, Authenticator authenticator, bool isStrict) : IIncoming
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
        if (isStrict)
            Accept();
        var request = _http.Request;
        if (operation.MediaTypes.Count == 0)
            return isStrict && HasBody(request) ? await RefuseBodyAsync(request, cancellation) : default;
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
        if (_http.Request.Headers.Accept is { Count: > 0 } accept && !MediaTypes.Accepts(accept, WireFormat.Json))
            throw ProblemCatalogue.NotAcceptable.Because($"Only {WireFormat.Json} is served here (problems as {WireFormat.ProblemJson}). Send 'Accept: {WireFormat.Json}', or no Accept.");
        Compression.DemandAcceptable(_http.Request);
    }

    private void CheckMediaType(Operation operation)
    {
        if (MediaTypes.Matches(_http.Request.ContentType, operation.MediaTypes))
            return;
        var accepted = string.Join(", ", operation.MediaTypes);
        _http.Response.Headers.Accept = accepted; // RFC 9110, 12.5.1; PUT has no field of its own
        if (operation.Method is "PATCH" or "POST")
            _http.Response.Headers[operation.Method == "PATCH" ? "Accept-Patch" : "Accept-Post"] = accepted;
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

    private bool HasBody(HttpRequest request) => _http.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody ?? request.ContentLength is > 0;

    /// <summary>Where no body is expected, an empty one and the empty object that many clients send are harmless; anything else is a misunderstanding.</summary>
    private async ValueTask<ReadOnlyMemory<byte>> RefuseBodyAsync(HttpRequest request, CancellationToken cancellation)
    {
        var body = await BodyAsync(request, cancellation);
        return body.Span.Trim(" \t\r\n"u8) is { Length: 0 } or [(byte)'{', (byte)'}']
            ? body
            : throw ProblemCatalogue.MalformedRequest.Because("This operation takes no body. Send the request without one.");
    }

    private async ValueTask<ReadOnlyMemory<byte>> BodyAsync(HttpRequest request, CancellationToken cancellation)
    {
        if (request.ContentLength > OperationDefaults.BodyBytesMost)
            throw HttpProblems.BodyTooLarge(OperationDefaults.BodyBytesMost);
        try
        {
            return await ReadToEndAsync(request, cancellation);
        }
        catch (IOException e)
        {
            HttpEdge.CloseAfter(_http);
            throw HttpProblems.OfBody(e); // broken framing, too slow, or longer than the server reads
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
