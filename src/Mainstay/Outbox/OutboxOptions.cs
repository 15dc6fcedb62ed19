using Mainstay.Internal;

namespace Mainstay;

/// <summary>How messages are delivered. Checked by <see cref="OutboxExtensions.AddOutbox"/>, which reports all mistakes together.</summary>
public sealed record OutboxOptions
{
    /// <summary>
    /// The database that the application's transactions are in. Default: the <c>NpgsqlDataSource</c> among the services, else the connection string <c>mainstay</c>.
    /// </summary>
    public string? ConnectionString { get; init; }

    /// <summary>How many messages this node handles at the same time. 0 for a node that only publishes. Default: 2.</summary>
    public int Workers { get; init; } = 2;

    /// <summary>How often to look for messages when nothing says that there are any, which is also the longest that one waits. Default: 1 s.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(1);

    internal void Check()
    {
        List<ConfigurationException> mistakes = [];
        if (Workers is < 0 or > 64)
            mistakes.Add(new("MST2104", $"OutboxOptions.Workers is {Workers}, expected 0 to 64. Each one holds a connection while it handles a message."));
        if (PollInterval < TimeSpan.FromMilliseconds(10) || PollInterval > TimeSpan.FromMinutes(5))
            mistakes.Add(new("MST2104", $"OutboxOptions.PollInterval is {PollInterval}, expected 10 ms to 5 min."));
        if (mistakes.Count > 0)
            throw new ConfigurationException(mistakes);
    }
}
