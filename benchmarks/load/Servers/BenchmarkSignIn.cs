using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Mainstay.Benchmarks;

/// <summary>An ordinary ASP.NET Core authentication scheme that knows one caller, so that requests with a key go the way they go in production.</summary>
internal sealed class BenchmarkSignIn(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string Credential = "Bearer benchmark";

    private static readonly AuthenticateResult known =
        AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity([new Claim("sub", "benchmark")], "benchmark")), "benchmark"));

    public static void AddTo(Backend backend) => backend.Services.AddAuthentication("benchmark").AddScheme<AuthenticationSchemeOptions, BenchmarkSignIn>("benchmark", null);

    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(Request.Headers.Authorization == Credential ? known : AuthenticateResult.NoResult());
}
