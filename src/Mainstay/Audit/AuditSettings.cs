using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Mainstay.Internal;

/// <summary>How long a backend keeps its audit trail: the setting <c>Mainstay:Audit:Retention</c>.</summary>
internal static class AuditSettings
{
    public const string Retention = "Mainstay:Audit:Retention";

    /// <returns>Null: for ever.</returns>
    /// <exception cref="ConfigurationException">MST2701: it cannot be read or is out of range.</exception>
    public static TimeSpan? RetentionOf(IConfiguration configuration)
    {
        if (configuration[Retention] is not { } text)
            return null;
        return TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var time) && time >= TimeSpan.FromDays(1) && time <= TimeSpan.FromDays(36_500)
            ? time
            : throw new ConfigurationException("MST2701", $"{Retention} is '{text}', expected a time from 1.00:00:00 to 36500.00:00:00 (days.hours:minutes:seconds). Leave it out to keep the audit trail for ever.");
    }
}
