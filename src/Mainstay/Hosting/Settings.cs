using Microsoft.Extensions.Configuration;

namespace Mainstay.Internal;

/// <summary>All settings of the framework's own section. A name that is not here refuses the start, because a setting that nobody reads protects nobody.</summary>
internal static class Settings
{
    private const string Section = "Mainstay";

    /// <summary>One line for each setting; <c>:*</c> at the end admits everything below.</summary>
    private static readonly string[] known =
    [
        "Api:*",
        "Audit:Retention",
        "Connections",
        "Cors:Origins",
        "Cors:Origins:*",
        "DataFolder",
        "Dependencies:*",
        "DevelopmentKeys",
        "Docs",
        "Idempotency:AnswerBytesMost",
        "Idempotency:Lifetime",
        "LongRunning:Lease",
        "LongRunning:PollInterval",
        "LongRunning:Retention",
        "LongRunning:Workers",
        "Postgres:Account",
        "Postgres:Binaries",
        "Queues:Drain",
        "Queues:HeldSnapshot",
        "Queues:KeepDead",
        "Queues:KeepDiscarded",
        "Queues:KeepDone",
        "Queues:KeepInbox",
        "Queues:Lease",
        "Queues:PollInterval",
        "Queues:Workers",
        "RateLimit",
        "Reads:Coalesce",
        "Schema",
        "TrustedProxies",
        "TrustedProxies:*",
    ];

    /// <exception cref="ConfigurationException">MST1013: settings that do not exist.</exception>
    public static void Check(IConfiguration configuration)
    {
        var mistakes = configuration.GetSection(Section).AsEnumerable(makePathsRelative: true)
            .Where(setting => setting.Value is not null && setting.Key.Length > 0 && !IsKnown(setting.Key))
            .Select(setting => new ConfigurationException("MST1013",
                $"There is no setting {Section}:{setting.Key}.{Suggestion.For($"{Section}:{setting.Key}", known.Select(name => $"{Section}:{name}"))} Correct it or remove it from the command line, the environment ({Section}__…) or appsettings.json."))
            .ToArray();
        if (mistakes.Length > 0)
            throw new ConfigurationException(mistakes);
    }

    private static bool IsKnown(string key) => known.Any(name => name.EndsWith(":*", StringComparison.Ordinal)
        ? key.StartsWith(name[..^1], StringComparison.OrdinalIgnoreCase)
        : key.Equals(name, StringComparison.OrdinalIgnoreCase));
}
