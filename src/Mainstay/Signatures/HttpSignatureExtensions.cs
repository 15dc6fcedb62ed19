using Mainstay.Internal;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Mainstay;

/// <summary>Signed requests (RFC 9421) as an authentication scheme of ASP.NET Core.</summary>
public static class HttpSignatureExtensions
{
    /// <summary>The name of the scheme.</summary>
    public const string Scheme = "http-signatures";

    /// <summary>
    /// Accepts requests that carry an HTTP message signature. Make it the default scheme, <c>AddAuthentication(HttpSignatureExtensions.Scheme)</c>, or one
    /// that a policy scheme forwards to. Used nonces are kept in PostgreSQL: the backend's, else the connection string <c>mainstay</c>.
    /// </summary>
    /// <param name="authentication">What <c>AddAuthentication</c> returned.</param>
    /// <param name="configure">The keys, and how strict to be. Mistakes are reported at the start: MST2601.</param>
    public static AuthenticationBuilder AddHttpSignatures(this AuthenticationBuilder authentication, Action<HttpSignatureOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(authentication);
        ArgumentNullException.ThrowIfNull(configure);
        var options = new HttpSignatureOptions();
        configure(options);
        options.Validate();
        var services = authentication.Services;
        BlockSchema.Add(services, databases => databases.Get(null, "MST2602", "AddHttpSignatures"));
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(provider => new SignatureNonces(provider.GetService<BackendServices>()?.Database ?? provider.GetRequiredService<BlockDatabases>().Get(null, "MST2602", "AddHttpSignatures")));
        return authentication.AddScheme<HttpSignatureOptions, HttpSignatureHandler>(Scheme, configure);
    }
}
