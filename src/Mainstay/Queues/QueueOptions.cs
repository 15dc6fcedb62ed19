using System.Globalization;
using Mainstay.Internal;
using Microsoft.Extensions.Configuration;

namespace Mainstay;

/// <summary>How this node runs subscriptions and jobs. Checked at the start, which reports all mistakes together.</summary>
public sealed record QueueOptions
{
    /// <summary>
    /// The database that the application's transactions are in. Default: the <c>NpgsqlDataSource</c> among the services, else the connection string <c>mainstay</c>.
    /// </summary>
    public string? ConnectionString { get; init; }

    /// <summary>How many handlers of a queue run at the same time on this node, unless the queue says otherwise. 0 for a node that only publishes and enqueues. Default: 4.</summary>
    public int Workers { get; init; } = 4;

    /// <summary>How often to look for work when nothing says that there is any, which is also the longest that it waits for a node with room. Default: 2 s.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>After how long without a sign of life the work of a node is taken over. Renewed six times as often. Default: 30 s.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long handlers may go on when the node stops, before they are cancelled and their work is given back. Default: 5 s.</summary>
    public TimeSpan Drain { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long it is known what was done, to the day. Default: 7 days.</summary>
    public TimeSpan KeepDone { get; init; } = TimeSpan.FromDays(7);

    /// <summary>How long dead letters are kept, to the day. Default: 90 days.</summary>
    public TimeSpan KeepDead { get; init; } = TimeSpan.FromDays(90);

    /// <summary>How long a dead letter that was discarded can be restored, to the hour. 0 for not at all. Default: 7 days.</summary>
    public TimeSpan KeepDiscarded { get; init; } = TimeSpan.FromDays(7);

    /// <summary>After how long a transaction, a replication slot or a standby that keeps an old view of the data is warned of (MST2521): rows that are gone cannot be removed then, and queues get slower. Default: 5 min.</summary>
    public TimeSpan HeldSnapshot { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long repetitions of a message from outside are recognized. Default: 7 days.</summary>
    public TimeSpan KeepInbox { get; init; } = TimeSpan.FromDays(7);

    /// <inheritdoc cref="Surroundings.KeepsHistory"/>
    internal bool KeepsHistory { get; init; } = true;

    internal Retention Retention => new(KeepDone, KeepDead, KeepDiscarded, KeepInbox);

    /// <summary>From configuration under <c>Mainstay:Queues</c>.</summary>
    /// <exception cref="ConfigurationException">MST2104: every setting that is out of range.</exception>
    internal static QueueOptions Of(IConfiguration configuration)
    {
        var section = configuration.GetSection("Mainstay:Queues");
        var mistakes = new List<ConfigurationException>();
        T Read<T>(string name, T fallback) where T : IParsable<T>
        {
            if (section[name] is not { } text)
                return fallback;
            if (T.TryParse(text, CultureInfo.InvariantCulture, out var value))
                return value;
            mistakes.Add(new("MST2104", $"Mainstay:Queues:{name} is '{text}', expected something like {fallback}."));
            return fallback;
        }
        var defaults = new QueueOptions();
        var options = new QueueOptions
        {
            Workers = Read(nameof(Workers), defaults.Workers),
            PollInterval = Read(nameof(PollInterval), defaults.PollInterval),
            Lease = Read(nameof(Lease), defaults.Lease),
            Drain = Read(nameof(Drain), defaults.Drain),
            KeepDone = Read(nameof(KeepDone), defaults.KeepDone),
            KeepDead = Read(nameof(KeepDead), defaults.KeepDead),
            KeepDiscarded = Read(nameof(KeepDiscarded), defaults.KeepDiscarded),
            KeepInbox = Read(nameof(KeepInbox), defaults.KeepInbox),
            HeldSnapshot = Read(nameof(HeldSnapshot), defaults.HeldSnapshot),
        };
        mistakes.AddRange(options.Mistakes("Mainstay:Queues:"));
        return mistakes.Count == 0 ? options : throw new ConfigurationException(mistakes);
    }

    internal void Check()
    {
        ConfigurationException[] mistakes = [.. Mistakes($"{nameof(QueueOptions)}.")];
        if (mistakes.Length > 0)
            throw new ConfigurationException(mistakes);
    }

    private IEnumerable<ConfigurationException> Mistakes(string prefix)
    {
        if (Workers is < 0 or > 64)
            yield return new("MST2104", $"{prefix}Workers is {Workers}, expected 0 to 64. Each one holds a connection while it handles something in a transaction.");
        foreach (var (name, value, least, most) in new[]
        {
            (nameof(PollInterval), PollInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(5)),
            (nameof(Lease), Lease, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10)),
            (nameof(Drain), Drain, TimeSpan.Zero, TimeSpan.FromMinutes(10)),
            (nameof(KeepDone), KeepDone, TimeSpan.FromDays(1), TimeSpan.FromDays(3650)),
            (nameof(KeepDead), KeepDead, TimeSpan.FromDays(1), TimeSpan.FromDays(3650)),
            (nameof(KeepDiscarded), KeepDiscarded, TimeSpan.Zero, TimeSpan.FromDays(3650)),
            (nameof(KeepInbox), KeepInbox, TimeSpan.FromMinutes(1), TimeSpan.FromDays(3650)),
            (nameof(HeldSnapshot), HeldSnapshot, TimeSpan.FromSeconds(1), TimeSpan.FromDays(30)),
        })
            if (value < least || value > most)
                yield return new("MST2104", $"{prefix}{name} is {value}, expected {least} to {most}.");
    }
}
