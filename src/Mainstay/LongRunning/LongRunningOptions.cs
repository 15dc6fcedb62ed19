using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Mainstay.Internal;

/// <summary>How this node runs long-running commands, from configuration under <c>Mainstay:LongRunning</c>.</summary>
internal sealed record LongRunningOptions
{
    /// <summary>The longest that a command may be given. Its transaction keeps PostgreSQL from removing old rows, everywhere, for as long.</summary>
    public static readonly TimeSpan WithinMost = TimeSpan.FromHours(1);

    /// <summary>How often an unexpected failure, or the end of its process, is answered by another try.</summary>
    public const int AttemptsMost = 3;

    /// <summary>How often it is begun at all. Runs that the database or a shutdown has ended are no attempts, but something ends them every time.</summary>
    public const int ClaimsMost = 50;

    /// <summary>How many run at the same time on this node, each with a connection of its own. 0 for a node that only accepts them.</summary>
    public int Workers { get; init; } = 4;

    /// <summary>How often to look for operations when nothing says that there are any.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>After how long without a sign of life the operations of a node are taken over. It is renewed three times as often.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long an operation can be asked about after it has ended.</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromHours(24);

    /// <exception cref="ConfigurationException">MST2402: every setting that is out of range.</exception>
    public static LongRunningOptions Of(IConfiguration configuration)
    {
        var section = configuration.GetSection("Mainstay:LongRunning");
        var mistakes = new List<ConfigurationException>();
        T Read<T>(string name, T fallback, T least, T most) where T : IParsable<T>, IComparable<T>
        {
            if (section[name] is not { } text)
                return fallback;
            if (T.TryParse(text, CultureInfo.InvariantCulture, out var value) && value.CompareTo(least) >= 0 && value.CompareTo(most) <= 0)
                return value;
            mistakes.Add(new("MST2402", $"Mainstay:LongRunning:{name} is '{text}', expected {least} to {most}."));
            return fallback;
        }
        var defaults = new LongRunningOptions();
        var options = new LongRunningOptions
        {
            Workers = Read(nameof(Workers), defaults.Workers, 0, 64),
            PollInterval = Read(nameof(PollInterval), defaults.PollInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(5)),
            Lease = Read(nameof(Lease), defaults.Lease, TimeSpan.FromMilliseconds(300), TimeSpan.FromMinutes(10)),
            Retention = Read(nameof(Retention), defaults.Retention, TimeSpan.FromHours(24), TimeSpan.FromDays(365)),
        };
        return mistakes.Count == 0 ? options : throw new ConfigurationException(mistakes);
    }
}
