using System.Collections.Frozen;

namespace Mainstay.Internal;

/// <summary>The queues of a node and their handlers: where there is room, and in which order the next claim looks. Every member is to be used under the engine's lock.</summary>
internal sealed class QueueRooms
{
    private readonly FrozenDictionary<string, QueueEntry> _entries;
    private readonly QueueRoom[] _rooms;
    private readonly QueueEntry[] _admitted;
    private bool _mayAdmit;
    private int _turns;

    public QueueRooms(QueueModel model, int workers, TimeProvider clock)
    {
        // In the order of their names, which is that in which claims of all nodes wait for each other.
        var rooms = model.Handlers.Select(handler => handler.Queue).Distinct().Order(StringComparer.Ordinal)
            .Select((name, i) => (name, Room: new QueueRoom(i, model.SlotsOf(name, workers), model.LimitOf(name)))).ToDictionary(pair => pair.name, pair => pair.Room);
        _rooms = [.. rooms.Values];
        _entries = model.Handlers.ToFrozenDictionary(handler => handler.Name, handler => new QueueEntry(handler, rooms[handler.Queue], clock));
        _admitted = [.. _entries.Values.Where(entry => entry.Handler.Placement.IsAdmitted)];
        AsksForTurns = _admitted.Any(entry => entry.Handler.Placement.AsksForTurns);
    }

    public IReadOnlyList<QueueEntry> Entries => _entries.Values;

    public QueueEntry this[string handler] => _entries[handler];

    /// <summary>Whether the end of a job asks to decide again about those that wait behind it.</summary>
    public bool AsksForTurns { get; }

    /// <summary>How often it was said that there may be more; whoever asks the database compares.</summary>
    public int Wakes { get; private set; }

    /// <summary>Whether something may have arrived that is not decided about.</summary>
    public bool MayAdmit => _mayAdmit;

    public bool WantAny => _rooms.Any(room => room.Wanted > 0);

    /// <summary>How many jobs are wanted from queues without limits, in which claims need not come one after the other.</summary>
    public int WantedFreely => _rooms.Sum(room => room.Limit is null ? room.Wanted : 0);

    /// <summary>Whether some queue will claim as soon as some of what is at hand has begun.</summary>
    public bool ClaimSoon => _rooms.Any(room => room.ClaimsSoon);

    public string[] PacedQueues => [.. _rooms.Select(room => room.Limit).OfType<QueueLimit>().Where(limit => limit.Spacing is not null).Select(limit => limit.Queue)];

    public QueueEntry? Find(string handler) => _entries.GetValueOrDefault(handler);

    /// <summary>Where to look whether there is something.</summary>
    public (List<(string Name, JobPriority Priority, long Floor)> Floors, string[] Admitted) Places() =>
        ([.. from entry in Entries from floor in entry.Floors select (entry.Handler.Name, floor.Key, floor.Value.Take())], [.. _admitted.Select(entry => entry.Handler.Name)]);

    /// <summary>There is something in one of these places, so that the next claim looks from there on at least.</summary>
    public void NoteFound(IReadOnlyList<(string Name, JobPriority Priority, long Floor)> places)
    {
        foreach (var (name, priority, floor) in places)
            _entries[name].Floors[priority].Found(floor);
        NoteMore();
    }

    /// <summary>There may be rows that are ready, or that have arrived.</summary>
    public void NoteMore()
    {
        _mayAdmit = _admitted.Length > 0;
        NoteReady();
    }

    /// <summary>There may be rows that are ready.</summary>
    public void NoteReady()
    {
        Wakes++;
        foreach (var room in _rooms)
            room.MayHaveMore = true;
    }

    /// <summary>How much each queue wants; those that want nothing are not among them.</summary>
    public List<(int Number, int Most, QueueLimit? Limit)> Wanted() => [.. _rooms.Select(room => (room.Number, Most: room.Wanted, room.Limit)).Where(room => room.Most > 0)];

    /// <summary>A claim is on its way.</summary>
    public void Ask(CyclePlan plan)
    {
        foreach (var (number, most, _) in plan.Queues)
            _rooms[number].Ask(most);
    }

    /// <summary>It has come back, or nobody knows what it brought.</summary>
    public void Answered(CyclePlan plan)
    {
        foreach (var (number, most, _) in plan.Queues)
            _rooms[number].Answered(most);
    }

    /// <summary>Whose lanes to look at for what has arrived, once for each time that something may have; null for nobody's.</summary>
    public LaneRule[]? TakeAdmits()
    {
        if (!_mayAdmit)
            return null;
        _mayAdmit = false;
        return [.. _admitted.Select(entry => entry.Lanes)];
    }

    /// <summary>
    /// Whoever comes first in the statement gets the room of its queue. So priorities come in the order that the room says, and within one every handler begins once.
    /// </summary>
    public List<(string Name, int Queue, JobPriority Priority, long Floor)> InOrder(IReadOnlyList<(int Number, int Most, QueueLimit? Limit)> wanted)
    {
        var entries = wanted.Count == 0 ? [] : Entries.Where(entry => wanted.Any(room => room.Number == entry.Room.Number)).ToArray();
        var turn = entries.Length == 0 ? 0 : _turns++ % entries.Length;
        var order = new List<(string, int, JobPriority, long)>(entries.Length);
        foreach (var (number, _, _) in wanted)
            foreach (var priority in _rooms[number].NextOrder())
                foreach (var entry in entries[turn..].Concat(entries[..turn]))
                    if (entry.Room.Number == number && entry.Floors.TryGetValue(priority, out var floor))
                        order.Add((entry.Handler.Name, number, priority, floor.Take()));
        return order;
    }

    /// <summary>What one queue got tells whether it has more.</summary>
    /// <param name="number">The queue.</param>
    /// <param name="hasAll">Whether it got all that it wanted.</param>
    /// <param name="wakes">How often it had been said that there may be more, before the database was asked.</param>
    public void NoteAnswer(int number, bool hasAll, int wakes)
    {
        foreach (var entry in Entries)
            if (entry.Room.Number == number)
                entry.NoteBacklog(hasAll);
        if (!hasAll && wakes == Wakes)
            _rooms[number].MayHaveMore = false;
    }

    /// <summary>A job that was claimed ahead and a slot for it, which is then taken; null when there is none of which both are there.</summary>
    public ClaimedJob? Next()
    {
        foreach (var room in _rooms)
            if (room.Next() is { } job)
                return job;
        return null;
    }

    public bool HaveAhead(Guid id) => _rooms.Any(room => room.Has(id));

    /// <summary>Takes everything that was claimed ahead.</summary>
    public ClaimedJob[] Clear() => [.. _rooms.SelectMany(room => room.Clear())];
}
