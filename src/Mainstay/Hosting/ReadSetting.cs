using Microsoft.Extensions.Configuration;

namespace Mainstay.Internal;

/// <summary>The setting <c>Mainstay:Reads:Coalesce</c>: whether reads that wait share statements. Default: they do.</summary>
internal static class ReadSetting
{
    private const string Name = "Mainstay:Reads:Coalesce";

    /// <exception cref="ConfigurationException">MST1024: it is neither true nor false.</exception>
    public static bool Of(IConfiguration configuration) => configuration[Name] switch
    {
        null => true,
        var text when bool.TryParse(text, out var isOn) => isOn,
        var text => throw new ConfigurationException("MST1024", $"{Name} is '{text}', expected true or false. Leave it out to let reads that wait share statements."),
    };
}
