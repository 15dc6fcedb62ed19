using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Mainstay.Tests;

/// <summary>An ordinary ASP.NET Core authentication scheme: <c>Authorization: Test ann;customer,staff</c>.</summary>
internal sealed class TestSignIn(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public static void AddTo(Backend backend) => backend.Services.AddAuthentication("test").AddScheme<AuthenticationSchemeOptions, TestSignIn>("test", null);

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith("Test ", StringComparison.Ordinal))
            return Task.FromResult(AuthenticateResult.NoResult());
        if (header == "Test broken")
            throw new InvalidOperationException("The scheme is broken.");
        if (header == "Test wrong")
            return Task.FromResult(AuthenticateResult.Fail("The credential is wrong."));
        var parts = header[5..].Split(';');
        var claims = parts[1].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(role => new Claim("role", role)).Prepend(new Claim("sub", parts[0]));
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity(claims, "test")), "test")));
    }
}
