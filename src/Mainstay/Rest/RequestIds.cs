using System.Buffers;
using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>The id of a request: the caller's own when it is harmless, else a new one. On every answer and in every log line.</summary>
internal static class RequestIds
{
    private const int LengthMost = 64;

    private static readonly SearchValues<char> allowed = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    public static string Assign(HttpContext http) => http.TraceIdentifier = For(http.Request.Headers);

    public static string Of(HttpContext http) => http.TraceIdentifier;

    public static string For(IHeaderDictionary headers)
    {
        var given = headers["Request-Id"].ToString();
        return given.Length is >= 8 and <= LengthMost && !given.AsSpan().ContainsAnyExcept(allowed) ? given : TypeId.Format("req", IdSequence.OfProcess.NextGuessable());
    }
}
