namespace Mainstay.Tests;

/// <summary>Somebody outside of the process who holds money, and knows the keys that he has seen. What happens there happens whatever becomes of the node that asked.</summary>
internal sealed class Bank
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (string Trip, string What, int Cents)> _transfers = [];

    /// <summary>How often somebody asked.</summary>
    public int Calls { get; private set; }

    /// <summary>What customers have paid to the shop, less what they got back.</summary>
    public long Shop { get; private set; }

    public void Transfer(string key, string trip, string what, int cents)
    {
        lock (_lock)
        {
            Calls++;
            if (_transfers.TryAdd(key, (trip, what, cents)))
                Shop += cents;
            else if (_transfers[key] != (trip, what, cents))
                throw new InvalidOperationException($"Key {key} was used for {_transfers[key]} and comes again for {(trip, what, cents)}.");
        }
    }

    /// <summary>What was done for a trip, each with a key of its own.</summary>
    public List<string> Of(string trip)
    {
        lock (_lock)
            return [.. _transfers.Values.Where(transfer => transfer.Trip == trip).Select(transfer => transfer.What)];
    }
}
