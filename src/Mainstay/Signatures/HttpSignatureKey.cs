using System.Security.Cryptography;

namespace Mainstay;

/// <summary>A key that a client signs its requests with. A client that changes its key has two for a while, with the same subject.</summary>
/// <param name="Id">The name under which the client sends it, as <c>keyid</c>. Not secret.</param>
/// <param name="Subject">Who has signed: the id of the user in policies, audit and idempotency.</param>
public sealed record HttpSignatureKey(string Id, string Subject)
{
    /// <summary>The shared secret of <c>hmac-sha256</c>: at least 32 random bytes. Either this or <see cref="PublicKey"/>.</summary>
    public ReadOnlyMemory<byte> Secret { get; init; }

    /// <summary>
    /// The public key in PEM, of an elliptic curve P-256 for <c>ecdsa-p256-sha256</c> or of RSA with at least 2048 bits for <c>rsa-pss-sha512</c>. The
    /// client keeps the private one to itself.
    /// </summary>
    public string? PublicKey { get; init; }

    /// <summary>The roles that policies ask for. Default: none.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    /// <summary>The permissions that policies ask for. Default: none.</summary>
    public IReadOnlyList<string> Permissions { get; init; } = [];

    /// <summary>When it stops being accepted. Default: never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>What is wrong with it, or null.</summary>
    internal string? Fault()
    {
        if (Id is not { Length: > 0 and <= 200 } || Subject is not { Length: > 0 })
            return "has no id of at most 200 characters, or no subject";
        if (Secret.IsEmpty == PublicKey is null)
            return "has both a secret and a public key, or neither";
        if (PublicKey is null)
            return Secret.Length < 32 ? $"has a secret of {Secret.Length} bytes, expected at least 32 random ones" : null;
        try
        {
            return Algorithm() is null ? "has a public key that is neither P-256 nor RSA with at least 2048 bits" : null;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            return "has a public key that is not PEM";
        }
    }

    /// <summary>The name of the algorithm that the key is for.</summary>
    internal string? Algorithm()
    {
        if (PublicKey is null)
            return "hmac-sha256";
        using var key = Import();
        return key switch { ECDsa { KeySize: 256 } => "ecdsa-p256-sha256", RSA { KeySize: >= 2048 } => "rsa-pss-sha512", _ => null };
    }

    /// <summary>Whether a signature is this key's.</summary>
    internal bool Verifies(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (PublicKey is null)
            return CryptographicOperations.FixedTimeEquals(HMACSHA256.HashData(Secret.Span, message), signature);
        using var key = Import();
        return key switch
        {
            ECDsa curve => curve.VerifyData(message, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation),
            RSA rsa => rsa.VerifyData(message, signature, HashAlgorithmName.SHA512, RSASignaturePadding.Pss),
            _ => false,
        };
    }

    private AsymmetricAlgorithm Import()
    {
        try
        {
            var curve = ECDsa.Create();
            curve.ImportFromPem(PublicKey);
            return curve;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            var rsa = RSA.Create();
            rsa.ImportFromPem(PublicKey);
            return rsa;
        }
    }
}
