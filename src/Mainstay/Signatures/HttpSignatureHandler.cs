using System.Security.Claims;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Checks the signature of a request (RFC 9421) and the digest of its body (RFC 9530).
/// <code>
/// 1. read both fields         4. compute the signature base, ask the key
/// 2. find the key             5. read the body, compare its digest
/// 3. policy: covered, fresh   6. use up the nonce
/// </code>
/// The body is read only for those who hold a key, and the nonce is used up last, so that nobody can fill memory or the table without one.
/// </summary>
internal sealed class HttpSignatureHandler(IOptionsMonitor<HttpSignatureOptions> options, ILoggerFactory logger, UrlEncoder encoder, SignatureNonces nonces)
    : AuthenticationHandler<HttpSignatureOptions>(options, logger, encoder)
{
    private const int NonceMost = 200;

    /// <summary>Headers that decide whether and how often a change happens. Nobody shall add or remove them on the way.</summary>
    private static readonly string[] guards = ["idempotency-key", "if-match", "if-none-match"];

    /// <summary>Takes the place of an unknown key, so that unknown keys and wrong signatures take the same time.</summary>
    private static readonly HttpSignatureKey nobody = new("", "nobody") { Secret = RandomNumberGenerator.GetBytes(32) };

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (!Request.Headers.ContainsKey("Signature-Input") && !Request.Headers.ContainsKey("Signature"))
            return AuthenticateResult.NoResult();
        var signatures = MessageSignature.Read(Request.Headers["Signature-Input"].ToString(), Request.Headers["Signature"].ToString());
        if (signatures is null)
            return Refuse($"Signature-Input and Signature do not belong together, expected for example sig1=(\"@method\" \"@target-uri\" \"content-digest\");created=1618884473;keyid=\"…\" and sig1=:…:, at most {MessageSignature.SignaturesMost} signatures.");
        AuthenticateResult? refused = null;
        foreach (var signature in signatures)
        {
            var result = await CheckAsync(signature);
            if (result.Succeeded)
                return result;
            refused ??= result;
        }
        return refused!;
    }

    private async Task<AuthenticateResult> CheckAsync(MessageSignature signature)
    {
        if (signature.KeyId is not { } keyId)
            return Refuse("The signature names no key, expected the parameter keyid.");
        var now = TimeProvider.GetUtcNow();
        if (Policy(signature, now) is { } fault)
            return Refuse(fault);
        if (signature.Base(ValueOf) is not { } message)
            return Refuse("The signature covers a component that the request does not have, or not in a form that can be signed. Sign what is sent.");
        var found = await (Options.FindKey?.Invoke(keyId, Context.RequestAborted) ?? ValueTask.FromResult(Options.Keys.FirstOrDefault(key => key.Id == keyId)));
        var key = found is not null && (found.ExpiresAt is null || found.ExpiresAt > now) && (signature.Algorithm is null || signature.Algorithm == found.Algorithm()) ? found : nobody;
        if (!key.Verifies(message, signature.Value) || key == nobody)
            return Refuse("The signature is not one of a known key over this request. Compare the signature base, the key and its id.");
        try
        {
            if (HasBody && !ContentDigest.Matches(Request.Headers["Content-Digest"].ToString(), await ReadBodyAsync()))
                return Refuse("Content-Digest is not the digest of the body, expected sha-256 or sha-512 over its bytes.");
            if (signature.Nonce is { } nonce && !await nonces.TryUseAsync(keyId, nonce, 2 * Options.AgeMost, Context.RequestAborted))
                return Refuse("The nonce was used before. Sign every request, also a repeated one, with a new nonce.");
        }
        catch (IOException e)
        {
            return AuthenticateResult.Fail(HttpProblems.OfBody(e)); // broken framing, too slow, too large
        }
        catch (NpgsqlException e) when (DatabaseErrors.IsUnavailable(e))
        {
            return AuthenticateResult.Fail(DatabaseErrors.Unavailable(e));
        }
        return AuthenticateResult.Success(new AuthenticationTicket(Principal(key), Scheme.Name));
    }

    private bool HasBody => Context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody ?? Request.ContentLength is > 0;

    /// <summary>What the standard leaves to the server: which parts must be signed, and for how long a signature is good.</summary>
    private string? Policy(MessageSignature signature, DateTimeOffset now)
    {
        if (!signature.Covers("@method") || !(signature.Covers("@target-uri") || (signature.Covers("@authority") && (signature.Covers("@request-target") || (signature.Covers("@path") && signature.Covers("@query"))))))
            return "The signature must cover @method and @target-uri, or @method, @authority, @path and @query.";
        if (HasBody && !signature.Covers("content-digest"))
            return "The request has a body, so the signature must cover content-digest.";
        if (guards.FirstOrDefault(name => Request.Headers.ContainsKey(name) && !signature.Covers(name)) is { } guard)
            return $"The request has the header {guard}, which decides what happens, so the signature must cover it.";
        if (signature.Created is not { } created || Math.Abs((double)now.ToUnixTimeSeconds() - created) > Options.AgeMost.TotalSeconds)
            return $"The signature must say when it was created, and that must be within {Options.AgeMost.TotalSeconds} s of now; here it is {now.ToUnixTimeSeconds()}.";
        if (signature.Expires is { } expires && expires <= now.ToUnixTimeSeconds())
            return "The signature has expired.";
        var isSafe = HttpMethods.IsGet(Request.Method) || HttpMethods.IsHead(Request.Method) || HttpMethods.IsOptions(Request.Method);
        return signature.Nonce switch
        {
            null when Options.RequireNonce && !isSafe => "A signature of a request that changes something needs a nonce, a new random text each time.",
            { Length: 0 or > NonceMost } => $"The nonce has {signature.Nonce.Length} characters, expected 1 to {NonceMost}.",
            _ => null,
        };
    }

    /// <summary>A component of this request by RFC 9421 §2; null when there is none, or it asks for a form that is not supported.</summary>
    private string? ValueOf(FieldItem component)
    {
        var name = (string)component.Value;
        if (name == "@query-param")
            return component.Parameters is [{ Key: "name", Value: string parameter }] ? QueryParameter(parameter) : null;
        if (component.Parameters.Count > 0)
            return null;
        var target = Context.Features.Get<IHttpRequestFeature>()!.RawTarget;
        if (target is not ['/', ..])
            return null; // the forms that proxies use
        var query = target.IndexOf('?', StringComparison.Ordinal);
        return name switch
        {
            "@method" => Request.Method,
            "@scheme" => Request.Scheme,
            "@authority" => Authority(),
            "@request-target" => target,
            "@path" => query < 0 ? target : target[..query],
            "@query" => query < 0 ? "?" : target[query..],
            "@target-uri" => $"{Request.Scheme}://{Authority()}{target}",
            ['@', ..] => null,
            _ => Request.Headers.TryGetValue(name, out var lines) ? string.Join(", ", lines.Select(line => line?.Trim(' ', '\t'))) : null,
        };
    }

    private string Authority()
    {
        var host = Request.Host;
        return host.Port is { } port && port != (Request.IsHttps ? 443 : 80) ? $"{host.Host.ToLowerInvariant()}:{port}" : host.Host.ToLowerInvariant();
    }

    /// <summary>A parameter that is given twice could be meant either way.</summary>
    private string? QueryParameter(string name) => Request.Query.TryGetValue(Uri.UnescapeDataString(name), out var values) && values is [{ } value] ? Uri.EscapeDataString(value) : null;

    private async Task<byte[]> ReadBodyAsync()
    {
        if (Request.ContentLength > Options.BodyBytesMost)
            throw TooLarge(Options.BodyBytesMost);
        Request.EnableBuffering(Options.BodyBytesMost);
        using var body = new LimitedBuffer(Options.BodyBytesMost, TooLarge);
        await Request.Body.CopyToAsync(body, Context.RequestAborted);
        Request.Body.Position = 0;
        return body.ToArray();
    }

    private static BadHttpRequestException TooLarge(int most) => new($"The body of a signed request is larger than {most} bytes.", StatusCodes.Status413PayloadTooLarge);

    private AuthenticateResult Refuse(string detail)
    {
        Response.Headers["Accept-Signature"] = "sig1=(\"@method\" \"@target-uri\" \"content-digest\");created;keyid;nonce";
        return AuthenticateResult.Fail(ProblemCatalogue.Unauthenticated.Because(detail));
    }

    private ClaimsPrincipal Principal(HttpSignatureKey key) => new(new ClaimsIdentity(
    [
        new Claim("sub", key.Subject),
        .. key.Roles.Select(role => new Claim("role", role)),
        .. key.Permissions.Select(permission => new Claim("permission", permission)),
    ], Scheme.Name));
}
