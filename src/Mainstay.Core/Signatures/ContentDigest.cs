using System.Security.Cryptography;

namespace Mainstay.Internal;

/// <summary>The field <c>Content-Digest</c> (RFC 9530) with SHA-256 and SHA-512. Other algorithms are passed over, as the standard asks.</summary>
internal static class ContentDigest
{
    public const string Wanted = "sha-256=10, sha-512=5";

    /// <summary>Whether every known digest is that of the body, and there is at least one.</summary>
    public static bool Matches(string field, ReadOnlySpan<byte> body)
    {
        if (field.Length > MessageSignature.FieldMost || StructuredFields.ReadDictionary(field) is not { } digests)
            return false;
        var known = 0;
        foreach (var (algorithm, value) in digests)
        {
            if (algorithm is not ("sha-256" or "sha-512"))
                continue;
            known++;
            if (value is not FieldItem { Value: byte[] digest } || !CryptographicOperations.FixedTimeEquals(digest, algorithm == "sha-256" ? SHA256.HashData(body) : SHA512.HashData(body)))
                return false;
        }
        return known > 0;
    }
}
