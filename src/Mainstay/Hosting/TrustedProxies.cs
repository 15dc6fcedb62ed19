using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Internal;

/// <summary>
/// The proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: <c>Mainstay:TrustedProxies</c>, addresses and networks separated by commas or given as a
/// list. From anybody else these headers mean nothing. X-Forwarded-Host is never believed: no link is built from a host.
/// </summary>
internal static class TrustedProxies
{
    private const string Setting = "Mainstay:TrustedProxies";

    /// <summary>What ASPNETCORE_FORWARDEDHEADERS_ENABLED sets. ASP.NET Core then believes every caller.</summary>
    private const string BelieveEverybody = "ForwardedHeaders_Enabled";

    /// <exception cref="ConfigurationException">MST1015: a proxy is no address, or everybody would be believed.</exception>
    public static void Check(IConfiguration configuration)
    {
        foreach (var proxy in Of(configuration))
            if (!IPAddress.TryParse(proxy, out _) && !System.Net.IPNetwork.TryParse(proxy, out _))
                throw new ConfigurationException("MST1015", $"{Setting} has '{proxy}', expected addresses such as 10.0.0.7 and networks such as 10.0.0.0/8, separated by commas.");
        if (string.Equals(configuration[BelieveEverybody], "true", StringComparison.OrdinalIgnoreCase) && !Of(configuration).Any())
            throw new ConfigurationException("MST1015",
                $"ASPNETCORE_FORWARDEDHEADERS_ENABLED is true, so anybody could claim any address and https by sending a header. Remove it, and name your proxies: {Setting}=10.0.0.7.");
    }

    public static void Configure(IServiceCollection services, IConfiguration configuration) => services.PostConfigure<ForwardedHeadersOptions>(forwarded =>
    {
        forwarded.ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto;
        forwarded.ForwardLimit = null; // ends at the first address that is not trusted
        forwarded.KnownProxies.Clear();
        forwarded.KnownIPNetworks.Clear();
        foreach (var proxy in Of(configuration))
            if (IPAddress.TryParse(proxy, out var address))
                forwarded.KnownProxies.Add(address);
            else
                forwarded.KnownIPNetworks.Add(System.Net.IPNetwork.Parse(proxy));
    });

    public static void Use(WebApplication app)
    {
        if (Of(app.Configuration).Any())
            app.UseForwardedHeaders();
    }

    private static IEnumerable<string> Of(IConfiguration configuration) =>
        configuration.GetSection(Setting).GetChildren().Select(child => child.Value).Append(configuration[Setting]).OfType<string>()
            .SelectMany(text => text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
}
