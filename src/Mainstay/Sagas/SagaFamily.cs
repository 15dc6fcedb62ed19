using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>All versions of one saga that this application declares. The newest begins what is new; the others bring to an end what they began.</summary>
internal sealed class SagaFamily(string name, Type input)
{
    private const int KeyCharactersMost = 400;

    /// <summary>How long to wait for a node that has the definition which the saga goes by.</summary>
    private static readonly TimeSpan elsewhere = TimeSpan.FromSeconds(30);

    /// <summary>How long to leave a key to whoever begins an instance of it, or moves that.</summary>
    private static readonly TimeSpan busy = TimeSpan.FromSeconds(2);

    /// <summary>How long an event waits for whoever begins the instance that it is for. Mostly that takes a moment.</summary>
    private static readonly TimeSpan moment = TimeSpan.FromSeconds(1);

    private readonly Dictionary<int, SagaDefinition> _versions = [];

    /// <summary>By what name events of a type are kept for instances that have not begun: that of the wait which was declared for it first.</summary>
    private readonly Dictionary<Type, string> _events = [];

    public string Name { get; } = name;

    public Type Input { get; } = input;

    public IReadOnlyCollection<SagaDefinition> Versions => _versions.Values;

    public SagaDefinition Newest => _versions[_versions.Keys.Max()];

    /// <summary>What begins instances.</summary>
    public QueueHandler Handler { get; set; } = null!;

    /// <summary>What is done in the commit that begins an instance; null when the first that it does is something else than a unit of work, or stands in a queue that counts runs.</summary>
    public SagaStepPart? FirstStep { get; private set; }

    public void Add(SagaDefinition definition) => _versions.Add(definition.Version, definition);

    public SagaDefinition? Find(int version) => _versions.GetValueOrDefault(version);

    /// <summary>Whether nobody listens for it yet on behalf of this saga.</summary>
    public bool Listens(Type @event, string wait) => _events.TryAdd(@event, wait);

    /// <summary>Decides where instances begin: where their first step is done, if that can be done in the same commit.</summary>
    public void Compile(QueueModel queues)
    {
        FirstStep = Newest.Items[0] is SagaStep { Group: null, Do: { IsTransactional: true } part } && queues.LimitOf(part.Handler.Queue) is null ? part : null;
        if (FirstStep is null)
            return;
        Handler.In(FirstStep.Handler.Queue);
        Handler.Limit(FirstStep.Handler.Timeout);
    }

    /// <summary>Begins one. While one of the same key is open, nothing is begun.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="input">What begins it.</param>
    /// <param name="origin">What caused that.</param>
    /// <param name="work">The commit that ends the job.</param>
    /// <param name="first">The first step, when it is done in the same commit, or has failed there; null to leave it to its own job.</param>
    public async Task StartAsync(Guid id, object input, Origin origin, UnitOfWork work, SagaFirstStep? first)
    {
        var definition = Newest;
        var key = definition.Key is null ? id.ToString() : KeyOf(definition.Key(input));
        var walk = new SagaWalk(definition, SagaState.Beginning, input, work.Now);
        var row = new SagaRow(id, Name, definition.Version, definition.Shape, key, SagaStatus.Running, InputOf(input), StoredJson.Write(walk.State), 0, definition.Within, work.Now) { ReadAt = work.Now };
        if (_events.Count > 0)
            SagaStore.LockKey(work, Name, key);
        // Mostly there is none of the key, so that is not asked but assumed. When it was wrong, the commit is refused, and this is run again.
        if (work.IsRepeated && !await UnlessHeldAsync(() => SagaStore.InsertAsync(work, row, origin)))
        {
            work.AfterCommit(() => SagaMetrics.Repeated(Name));
            return;
        }
        // Not before it is sure to begin, as far as that was asked: one that does not must leave them. A commit that is refused does.
        if (_events.Count > 0)
            foreach (var early in await UnlessHeldAsync(() => SagaStore.TakeParkedAsync(work, Name, key)))
                if (_events.FirstOrDefault(known => known.Value == early.Item).Key is { } type && WaitOf(definition, type) is { } wait)
                    walk.Received(wait, Element(early.Payload), early.ArrivedAt);
        walk.Begin();
        if (first is { Failure: null } step)
            await step.DoAsync(id, work, walk);
        if (walk.HasLearned)
            SagaStore.CheckLearned(Name, walk.State);
        if (work.IsRepeated || walk.Outcome is not null)
            SagaMoves.Save(work, work.IsRepeated ? row : SagaStore.Begin(work, row, origin), walk, ends: Name, first?.Failure);
        else
            SagaMoves.Start(work, SagaStore.Begin(work, row with { Status = walk.Status, State = StoredJson.Write(walk.State) }, origin), walk, ends: Name, first?.Failure);
        work.AfterCommit(() => SagaMetrics.Started(Name));
    }

    /// <summary>Hands an event to the instance that it is for; keeps it when there is none yet.</summary>
    /// <exception cref="SnoozeException">Another node has to do it, or somebody else has the saga just now.</exception>
    public async Task ReceiveAsync(object @event, UnitOfWork work)
    {
        var (row, definition, wait) = await UnlessHeldAsync(() => FindAsync(@event, work));
        if (row is null)
        {
            // Whoever begins one just now is waited for, and seen then: but not in this slot when its first step, which is done meanwhile, takes long.
            var key = KeyOf(WaitsFor(@event.GetType()).First().Wait.Key(@event));
            SagaStore.LockKey(work, Name, key, moment);
            (row, definition, wait) = await UnlessHeldAsync(() => FindAsync(@event, work));
            if (row is null)
            {
                var payload = StoredJson.Write(@event);
                SagaStore.RefuseNul(Name, payload);
                SagaStore.Park(work, Name, key, _events[@event.GetType()], payload);
                work.AfterCommit(() => SagaMetrics.Parked(Name));
                return;
            }
        }
        if (definition is null || wait is null)
            throw new SnoozeException(elsewhere);
        var walk = SagaMoves.Walk(definition, row);
        var timer = walk.State.Pending.FirstOrDefault(owed => owed.Item == wait.Name);
        if (!walk.Received(wait, Element(StoredJson.Write(@event))))
        {
            work.AfterCommit(() => SagaMetrics.Late(Name));
            return;
        }
        if (timer is not null)
        {
            // One that is about to run finds that its wait has ended.
            await SagaStore.WithdrawAsync(work, [timer.Job]);
            walk.EndWait(timer.Job);
        }
        SagaMoves.Save(work, row, walk, ends: $"{Name}: {_events[@event.GetType()]}");
    }

    /// <summary>Compares what is declared with what was, and refuses what open instances could not go on by.</summary>
    /// <exception cref="ConfigurationException">MST3105: a definition was changed while instances of it are open.</exception>
    public async Task CheckAsync(UnitOfWork work, ILogger log)
    {
        foreach (var definition in Versions)
        {
            var open = (await work.QueryAsync<long>(SagaSql.CountOf(Name, definition.Version, definition.Shape)))[0];
            if (open > 0)
            {
                var before = (await work.QueryAsync<string>(SagaSql.StepsOf(Name, definition.Version))).SingleOrDefault();
                throw new ConfigurationException("MST3105", $"Saga '{definition.Prefix}' was changed while {open} of its instances are open, which could not go on. "
                    + $"It was: {before ?? "unknown"}. It is: {definition.Steps}. Declare what is new beside it, as Saga<{Input.Name}>(\"{Name}\", version: {Versions.Max(known => known.Version) + 1}), and leave this one as it was until its instances have ended.");
            }
            await work.ExecuteAsync(SagaSql.Define(Name, definition.Version, definition.Shape, definition.Steps));
        }
        foreach (var (_, version, count) in await work.QueryAsync<Undeclared>(SagaSql.Undeclared(Name, [.. _versions.Keys])))
            SagaLog.Undeclared(log, count, Name, version);
    }

    private string InputOf(object input)
    {
        var json = StoredJson.Write(input, Input);
        SagaStore.RefuseNul(Name, json);
        return json;
    }

    /// <summary>To wait for somebody else who has the same saga is no attempt.</summary>
    /// <exception cref="SnoozeException">That takes long.</exception>
    private static async Task<T> UnlessHeldAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask();
        }
        catch (PostgresException e) when (DatabaseErrors.IsLockTimeout(e))
        {
            throw new SnoozeException(busy);
        }
    }

    /// <summary>
    /// The open instance that waits for the event by the definition with which it began, locked. Versions may compute other keys, so each of them is asked, the newest first.
    /// </summary>
    /// <returns>A row without a definition when this node does not declare the one that it goes by.</returns>
    private async Task<(SagaRow? Row, SagaDefinition? Definition, SagaWait? Wait)> FindAsync(object @event, UnitOfWork work)
    {
        foreach (var key in WaitsFor(@event.GetType()).Select(known => KeyOf(known.Wait.Key(@event))).Distinct())
        {
            if (await SagaStore.LockByKeyAsync(work, Name, key) is not { } row)
                continue;
            if (Find(row.Version) is not { } definition || definition.Shape != row.Shape)
                return (row, null, null);
            if (WaitOf(definition, @event.GetType()) is { } wait && KeyOf(wait.Key(@event)) == key)
                return (row, definition, wait);
        }
        return default;
    }

    private IEnumerable<(SagaDefinition Definition, SagaWait Wait)> WaitsFor(Type @event) =>
        from definition in Versions
        orderby definition.Version descending
        let wait = WaitOf(definition, @event)
        where wait is not null
        select (definition, wait);

    private static SagaWait? WaitOf(SagaDefinition definition, Type @event) => definition.Items.OfType<SagaWait>().FirstOrDefault(wait => wait.Event == @event);

    private string KeyOf(object? key)
    {
        var text = key is IFormattable value ? value.ToString(null, CultureInfo.InvariantCulture) : key?.ToString();
        return text is { Length: > 0 and <= KeyCharactersMost } ? text
            : throw new InvalidOperationException($"MST3106: A key of saga '{Name}' is {(string.IsNullOrEmpty(text) ? "empty" : $"{text.Length} characters long")}, expected 1 to {KeyCharactersMost} characters. Take an id.");
    }

    private static JsonElement Element(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    private sealed record Undeclared(string Saga, int Version, int Count);
}
