using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>What makes two requests different: method, path, query, content type and the bytes of the body.</summary>
internal static class Fingerprint
{
    public static byte[] Of(HttpRequest request, ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var part in (ReadOnlySpan<string?>)[request.Method, request.Path.Value, request.QueryString.Value, request.ContentType])
        {
            hash.AppendData(Encoding.UTF8.GetBytes(part ?? ""));
            hash.AppendData([0]);
        }
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }
}
