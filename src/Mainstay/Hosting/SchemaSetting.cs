using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;

namespace Mainstay.Internal;

/// <summary>The setting <c>Mainstay:Schema</c>.</summary>
internal static class SchemaSetting
{
    /// <summary>What a start may do to the database. Default: apply in development, check everywhere else.</summary>
    /// <exception cref="ConfigurationException">MST1011: the setting is not one of the three.</exception>
    public static SchemaMode Of(IConfiguration configuration, IHostEnvironment environment) => configuration["Mainstay:Schema"] switch
    {
        null => environment.IsDevelopment() || DevelopmentStart.EnvironmentName() is not null ? SchemaMode.Apply : SchemaMode.Check,
        var text when Enum.TryParse<SchemaMode>(text, ignoreCase: true, out var given) && Enum.IsDefined(given) => given,
        var text => throw new ConfigurationException("MST1011", $"Mainstay:Schema is '{text}', expected apply, check or off."),
    };
}
