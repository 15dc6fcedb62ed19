namespace Mainstay.Internal;

/// <summary>
/// What this node knows of callers: how many requests it has in hand for each, and who has none left. A table of a fixed size, whatever callers do:
/// <code>
/// key → one of the sets → four cells, the caller's among them
/// a fifth caller in a set takes the place of the one with the least in hand
/// </code>
/// </summary>
/// <remarks>
/// The database has the truth, this table only what was taken from it. A caller who loses its cell is asked about again, so a flood of addresses
/// costs round trips and what its victims had in hand until their window ends, and lets nobody do more than the limit.
/// </remarks>
internal sealed class RateLimitTable
{
    private const int Ways = 4;
    private const int Stripes = 64;

    private readonly Cell[] _cells;
    private readonly Lock[] _locks = new Lock[Stripes];

    /// <param name="sets">A power of two. The default is 65,536 callers in 3 MiB.</param>
    public RateLimitTable(int sets = 16_384)
    {
        _cells = new Cell[sets * Ways];
        for (var i = 0; i < Stripes; i++)
            _locks[i] = new Lock();
    }

    /// <summary>How many callers fit.</summary>
    public int Capacity => _cells.Length;

    /// <summary>Takes one request of those in hand.</summary>
    /// <param name="key">Caller and policy.</param>
    /// <param name="now">The monotonic clock.</param>
    /// <param name="share">What is known: admitted with what is left, or refused until when.</param>
    /// <returns>False when the database must be asked.</returns>
    public bool TryTake(UInt128 key, long now, out RateLimitShare share)
    {
        lock (LockOf(key))
        {
            ref var cell = ref Find(key, now, out var found);
            share = default;
            if (!found)
                return false;
            var isAdmitted = cell.InHand > 0 && now < cell.UsableUntil;
            if (isAdmitted)
                cell.InHand--;
            else if (cell.InHand > 0 || cell.Left > 0)
                return false;
            share = new RateLimitShare(isAdmitted, cell.InHand + cell.Left, cell.Window, cell.EndsAt);
            return true;
        }
    }

    /// <summary>Keeps what the database has given.</summary>
    /// <param name="key">Caller and policy.</param>
    /// <param name="now">The monotonic clock.</param>
    /// <param name="inHand">How many requests this node may admit.</param>
    /// <param name="left">How many are left in the database.</param>
    /// <param name="window">Which window, in the database's own words.</param>
    /// <param name="usableUntil">Before this instant the window has not ended anywhere.</param>
    /// <param name="endsAt">At this instant it has.</param>
    public void Put(UInt128 key, long now, int inHand, int left, long window, long usableUntil, long endsAt)
    {
        lock (LockOf(key))
        {
            ref var cell = ref Find(key, now, out var found);
            if (!found)
            {
                cell = ref Victim(key, now);
                cell = default;
            }
            cell = new Cell
            {
                Key = key,
                Window = window,
                InHand = inHand + (cell.Window == window ? cell.InHand : 0),
                Left = left,
                UsableUntil = usableUntil,
                EndsAt = endsAt,
            };
        }
    }

    /// <summary>Puts one request back that was taken and then not made.</summary>
    public void GiveBack(UInt128 key, long now, long window)
    {
        lock (LockOf(key))
        {
            ref var cell = ref Find(key, now, out var found);
            if (found && cell.Window == window)
                cell.InHand++;
        }
    }

    /// <summary>One more is left in the database, to which it was returned.</summary>
    public void Returned(UInt128 key, long now, long window)
    {
        lock (LockOf(key))
        {
            ref var cell = ref Find(key, now, out var found);
            if (found && cell.Window == window)
                cell.Left++;
        }
    }

    /// <summary>Forgets everybody.</summary>
    public void Clear()
    {
        for (var set = 0; set < _cells.Length; set += Ways)
            lock (_locks[set / Ways % Stripes])
                _cells.AsSpan(set, Ways).Clear();
    }

    /// <summary>The caller's cell, or the first of its set.</summary>
    private ref Cell Find(UInt128 key, long now, out bool found)
    {
        var set = SetOf(key);
        for (var i = set; i < set + Ways; i++)
            if (_cells[i].Key == key && now < _cells[i].EndsAt)
            {
                found = true;
                return ref _cells[i];
            }
        found = false;
        return ref _cells[set];
    }

    /// <summary>A cell of nobody, or whose window has ended; else the one whose loss costs least.</summary>
    private ref Cell Victim(UInt128 key, long now)
    {
        var set = SetOf(key);
        var victim = set;
        for (var i = set; i < set + Ways; i++)
        {
            if (now >= _cells[i].EndsAt)
                return ref _cells[i];
            if ((_cells[i].InHand, _cells[i].EndsAt).CompareTo((_cells[victim].InHand, _cells[victim].EndsAt)) < 0)
                victim = i;
        }
        return ref _cells[victim];
    }

    private int SetOf(UInt128 key) => (int)((ulong)key % (ulong)(_cells.Length / Ways)) * Ways;

    private Lock LockOf(UInt128 key) => _locks[SetOf(key) / Ways % Stripes];

    private struct Cell
    {
        public UInt128 Key;
        public long Window;
        public long UsableUntil;
        public long EndsAt;
        public int InHand;
        public int Left;
    }
}

/// <summary>What one policy says about one request.</summary>
/// <param name="IsAdmitted">Whether one request was taken for it.</param>
/// <param name="Left">How many more, as far as this node knows.</param>
/// <param name="Window">Which window it was taken from.</param>
/// <param name="EndsAt">When the next one begins, on the monotonic clock.</param>
internal readonly record struct RateLimitShare(bool IsAdmitted, int Left, long Window, long EndsAt);
