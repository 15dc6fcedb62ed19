using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>
/// Finds out who calls: by a development key, or by whatever ASP.NET Core authentication scheme the application has registered as its default.
/// A call without credentials is anonymous; a call with wrong ones is refused, never quietly anonymous.
/// </summary>
internal sealed class Authenticator(DevelopmentKeys? developmentKeys, IAuthenticationSchemeProvider? schemes, bool takesSignatures)
{
    public ValueTask<User> AuthenticateAsync(HttpContext http, CancellationToken cancellation) =>
        schemes is null && http.Request.Headers.Authorization.Count == 0 ? new(User.Anonymous) : ReadAsync(http);

    private async ValueTask<User> ReadAsync(HttpContext http)
    {
        var authorization = http.Request.Headers.Authorization;
        if (authorization.Count > 1)
            throw ProblemCatalogue.Unauthenticated.Because("There are two Authorization headers, expected one.");
        // Two credentials could name two callers. Only where signatures mean anything: elsewhere the header is one like any other.
        if (authorization.Count > 0 && takesSignatures && http.Request.Headers.ContainsKey("Signature-Input"))
            throw ProblemCatalogue.Unauthenticated.Because("The request has both an Authorization header and a signature, expected one credential.");
        if (developmentKeys is not null && authorization.ToString() is { Length: > 0 } header && header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            && developmentKeys.Find(header.AsSpan(7).Trim()) is { } user)
            return DevelopmentKeys.IsLocal(http)
                ? user
                : throw ProblemCatalogue.Unauthenticated.Because("Development keys are accepted from this machine only.");
        if (schemes is not null && await schemes.GetDefaultAuthenticateSchemeAsync() is { } scheme)
        {
            var result = await http.AuthenticateAsync(scheme.Name);
            if (result is { Succeeded: true, Principal: { } principal })
            {
                http.User = principal; // for services that know ASP.NET Core and not us
                return Of(principal);
            }
            if (result.Failure is not null)
                throw result.Failure as ProblemException ?? Unknown();
        }
        return authorization.Count == 0 ? User.Anonymous : throw Unknown();
    }

    private static ProblemException Unknown() => ProblemCatalogue.Unauthenticated.Because("The credential in the Authorization header is unknown or has expired. Check for missing characters, or ask for a new one.");

    private static User Of(ClaimsPrincipal principal)
    {
        var id = principal.FindFirstValue("sub") ?? principal.FindFirstValue(ClaimTypes.NameIdentifier) ?? throw ProblemCatalogue.Unauthenticated.Because("The credential names no subject.");
        List<string>? roles = null, permissions = null;
        foreach (var claim in principal.Claims)
            if (Is(claim, ClaimTypes.Role) || Is(claim, "role") || Is(claim, "roles"))
                (roles ??= []).Add(claim.Value);
            else if (Is(claim, "permission") || Is(claim, "permissions"))
                (permissions ??= []).Add(claim.Value);
        return new User(id, roles ?? [], permissions ?? []);

        // As ASP.NET Core compares them.
        static bool Is(Claim claim, string type) => claim.Type.Equals(type, StringComparison.OrdinalIgnoreCase);
    }
}
