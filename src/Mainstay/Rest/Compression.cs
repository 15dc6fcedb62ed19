using System.IO.Compression;
using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>
/// Compresses answers for clients that ask for it. What is negotiated is the coding of one representation, so each coding has its own entity tag, and receipts
/// keep the plain bytes. docs/decisions/compression.md says what is left alone, and why.
/// </summary>
internal static class Compression
{
    public const string Brotli = "br";
    public const string Gzip = "gzip";

    /// <summary>Smaller bodies fit into one packet as they are.</summary>
    public const int BytesLeast = 1024;

    // Above the fastest level, where ratio still grows quicker than time; a window of 256 KiB holds most answers whole.
    private const int BrotliQuality = 4;
    private const int BrotliWindow = 18;

    /// <summary>Whether a media type shrinks. Problems are left alone: they are small, and they quote what was sent.</summary>
    public static bool Suits(string contentType) => contentType == WireFormat.Json || contentType.StartsWith("text/", StringComparison.OrdinalIgnoreCase)
        || (contentType.Contains("json", StringComparison.OrdinalIgnoreCase) && !contentType.StartsWith(WireFormat.ProblemJson, StringComparison.OrdinalIgnoreCase));

    /// <summary>The coding to send a body in, or null for none.</summary>
    public static string? Select(HttpRequest request, int length)
    {
        if (request.Headers.AcceptEncoding is not { Count: > 0 } field)
            return null;
        var accepted = AcceptedCodings.Parse(field.ToString());
        return accepted.RefusesIdentity || (length >= BytesLeast && !HasAmbientCredential(request)) ? accepted.Best : null;
    }

    /// <exception cref="ProblemException"><c>not-acceptable</c>: the client refuses every form of an answer. Asked before anything is done.</exception>
    public static void DemandAcceptable(HttpRequest request)
    {
        if (request.Headers.AcceptEncoding is { Count: > 0 } field && AcceptedCodings.Parse(field.ToString()).RefusesAll)
            throw ProblemCatalogue.NotAcceptable.Because("Accept-Encoding refuses br, gzip and identity, and there is no other coding here. Accept one of them.");
    }

    public static ReadOnlyMemory<byte> Compress(ReadOnlyMemory<byte> body, string coding) => coding == Brotli ? WithBrotli(body) : WithGzip(body);

    private static ReadOnlyMemory<byte> WithBrotli(ReadOnlyMemory<byte> body)
    {
        var buffer = new byte[BrotliEncoder.GetMaxCompressedLength(body.Length)];
        return BrotliEncoder.TryCompress(body.Span, buffer, out var written, BrotliQuality, BrotliWindow)
            ? buffer.AsMemory(0, written)
            : throw new InvalidOperationException($"A body of {body.Length} bytes did not fit into {buffer.Length}.");
    }

    private static ReadOnlyMemory<byte> WithGzip(ReadOnlyMemory<byte> body)
    {
        using var buffer = new MemoryStream(body.Length / 2);
        using (var gzip = new GZipStream(buffer, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(body.Span);
        return buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
    }

    /// <summary>
    /// Whether the request carries a credential that a browser attaches to requests of foreign pages by itself. Then a foreign page could have guesses
    /// reflected beside a secret and measure how well they compress together (BREACH).
    /// </summary>
    private static bool HasAmbientCredential(HttpRequest request)
    {
        if (request.Headers.Cookie.Count > 0)
            return true;
        var authorization = request.Headers.Authorization.ToString();
        return authorization.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase) || authorization.StartsWith("Digest ", StringComparison.OrdinalIgnoreCase)
            || authorization.StartsWith("Negotiate ", StringComparison.OrdinalIgnoreCase) || authorization.StartsWith("NTLM ", StringComparison.OrdinalIgnoreCase);
    }
}
