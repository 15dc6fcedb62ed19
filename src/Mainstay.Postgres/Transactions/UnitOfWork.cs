using Mainstay.Internal;
using Npgsql;

namespace Mainstay;

/// <summary>
/// One read-write transaction. Returning from the handler commits it, throwing rolls it back; rows, idempotency record, audit entries and
/// outgoing messages commit together. The effect is applied once, however often the request or message arrives: after a serialization
/// failure or a deadlock the handler runs again from the start, so it must not act on anything but this context.
/// </summary>
public sealed class UnitOfWork
{
    /// <summary>The most rows one query returns. A query that finds more is refused rather than cut.</summary>
    public const int RowsMost = 10_000;

    private readonly Work _work;
    private readonly WorkContext _context;
    private readonly List<Recorded> _recorded = [];
    private readonly List<RowChange> _changes = [];
    private readonly Dictionary<(Type, Guid), Known> _known = [];
    private readonly List<JobRow> _jobs = [];
    private readonly List<BatchItem> _sent = [];
    private List<ILateWrites>? _late;
    private bool _storesJobs;
    private bool _hasUnreadResults;
    private Action? _afterCommit;

    internal UnitOfWork(Work work, WorkContext context)
    {
        _work = work;
        _context = context;
    }

    /// <summary>The caller. Anonymous when the operation admits anyone.</summary>
    public User User => _context.User;

    /// <summary>The instant of this unit of work in UTC with the microseconds that PostgreSQL keeps; the same at every reading.</summary>
    public DateTimeOffset Now => _context.Now;

    /// <summary>Ends when the deadline of the call has passed. Pass it to whatever the handler awaits.</summary>
    public CancellationToken Cancellation => _context.Cancellation;

    internal IReadOnlyList<RowChange> Changes => _changes;

    /// <summary>The row with this id, or null. Not locked; an update of it is refused and the handler run again if somebody changes it meanwhile.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="visible">Which rows exist for the caller; a row that the policy does not admit is not found. Default: every row.</param>
    public async Task<T?> FindAsync<T>(Id<T> id, Policy? visible = null) where T : class => Admitted<T>(await LoadAsync(typeof(T), id.Value, isLocked: false), visible);

    /// <summary>The row with this id.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="visible">Which rows exist for the caller. Default: every row.</param>
    /// <exception cref="ProblemException"><c>not-found</c>: there is none.</exception>
    public async Task<T> RequireAsync<T>(Id<T> id, Policy? visible = null) where T : class => await FindAsync(id, visible) ?? throw NotFound<T>(id);

    /// <summary>The row with this id, locked until this unit of work ends, so that nobody else changes it. Lock rows of several tables in one order everywhere.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="visible">Which rows exist for the caller. Default: every row.</param>
    /// <exception cref="ProblemException"><c>not-found</c>: there is none.</exception>
    public async Task<T> LockAsync<T>(Id<T> id, Policy? visible = null) where T : class => Admitted<T>(await LoadAsync(typeof(T), id.Value, isLocked: true), visible) ?? throw NotFound<T>(id);

    /// <summary>Runs a query that belongs to this transaction and sees its changes. At most <see cref="RowsMost"/> rows.</summary>
    /// <typeparam name="T">A record whose members match the columns by name (<c>placed_at</c> is <c>PlacedAt</c>), or a single value.</typeparam>
    public async Task<IReadOnlyList<T>> QueryAsync<T>(Sql sql)
    {
        await using var reader = await ReadAsync(sql.ToBatchCommand());
        return await RowReader.ReadAllAsync<T>(reader, RowsMost, Cancellation);
    }

    /// <summary>Runs a statement that returns no rows, at once.</summary>
    /// <returns>How many rows it affected. Changes made this way have no audit entry.</returns>
    public async Task<int> ExecuteAsync(Sql sql)
    {
        var items = Drain();
        items.Add(new BatchItem(sql.ToBatchCommand()));
        return await _work.ExecuteAsync(items, Cancellation);
    }

    /// <summary>
    /// Records a statement whose result the handler does not need; it is sent at the commit, with whatever else is recorded, or before the next query. So a handler that
    /// only writes takes one round trip. Changes made this way have no audit entry.
    /// </summary>
    public void Execute(Sql sql)
    {
        _hasUnreadResults = true;
        Record(new BatchItem(sql.ToBatchCommand()));
    }

    /// <summary>Records a new row; it is sent with the next query or at the commit.</summary>
    public void Insert<T>(T row) where T : class => InsertRow(typeof(T), row);

    /// <summary>Records the new state of a row that this unit of work has read or inserted.</summary>
    /// <exception cref="InvalidOperationException">The row was not read here.</exception>
    public void Update<T>(T row) where T : class => UpdateRow(typeof(T), row);

    /// <summary>Records the deletion of a row that this unit of work has read or inserted.</summary>
    /// <exception cref="InvalidOperationException">The row was not read here.</exception>
    public void Delete<T>(T row) where T : class => DeleteRow(typeof(T), row);

    /// <summary>Records an event for all its subscribers; they learn of it after the commit, and only then.</summary>
    /// <exception cref="ConfigurationException">MST2101: the event is not declared.</exception>
    /// <exception cref="InvalidOperationException">MST2507: it is larger than 256 KiB as JSON.</exception>
    /// <exception cref="ProblemException"><c>queue-behind</c>: a subscription has more work than its <c>MaxAge</c> allows, and this is a call from outside.</exception>
    public void Publish<T>(T @event) where T : class
    {
        foreach (var row in _context.Messages.Fan(@event, _context.Origin))
            Record(row);
    }

    /// <summary>Records a job, which runs after the commit, and only then.</summary>
    /// <param name="job">A record that was declared as a job.</param>
    /// <param name="after">How long after now it shall run. Default: as soon as possible.</param>
    /// <param name="at">When it shall run, instead of <paramref name="after"/>.</param>
    /// <param name="unique">
    /// A key that only one open job of the kind has: while there is one, no other is recorded. Default: what the declaration says with <c>Unique</c>.
    /// </param>
    /// <param name="priority">Its priority, if the declaration knows any. Default: what that says.</param>
    /// <returns>The id of the job. Of a unique one it is only used when there is no other; <see cref="EnqueueAsync"/> gives the one that there is.</returns>
    /// <exception cref="ConfigurationException">MST2501: the job is not declared.</exception>
    /// <exception cref="InvalidOperationException">MST2507: it is larger than 256 KiB as JSON. MST2514: its declaration knows no priorities.</exception>
    /// <exception cref="ArgumentException">MST2511: the key is too long.</exception>
    public Guid Enqueue<T>(T job, TimeSpan? after = null, DateTimeOffset? at = null, string? unique = null, JobPriority? priority = null) where T : class =>
        Record(_context.Messages.Enqueue(job, _context.Origin, new EnqueueOptions { After = after, At = at, Unique = unique, Priority = priority })).Id;

    /// <summary>Records a job like <see cref="Enqueue"/>, and learns of a unique one which job there is in the end; that takes a round trip of its own.</summary>
    /// <param name="job">A record that was declared as a job.</param>
    /// <param name="after">How long after now it shall run. Default: as soon as possible.</param>
    /// <param name="at">When it shall run, instead of <paramref name="after"/>.</param>
    /// <param name="unique">A key that only one open job of the kind has. Default: what the declaration says with <c>Unique</c>.</param>
    /// <param name="priority">Its priority, if the declaration knows any. Default: what that says.</param>
    /// <returns>The id of the job, or of the one that has the key already.</returns>
    /// <exception cref="ConfigurationException">MST2501: the job is not declared.</exception>
    /// <exception cref="InvalidOperationException">MST2507: it is larger than 256 KiB as JSON. MST2514: its declaration knows no priorities.</exception>
    /// <exception cref="ArgumentException">MST2511: the key is too long.</exception>
    public Task<Guid> EnqueueAsync<T>(T job, TimeSpan? after = null, DateTimeOffset? at = null, string? unique = null, JobPriority? priority = null) where T : class =>
        StoreAsync(_context.Messages.Enqueue(job, _context.Origin, new EnqueueOptions { After = after, At = at, Unique = unique, Priority = priority }));

    /// <summary>
    /// The open connection with this transaction begun and all recorded changes sent, for Dapper or plain Npgsql. Do not commit or dispose it.
    /// </summary>
    public async Task<NpgsqlConnection> ConnectionAsync()
    {
        var items = Drain();
        items.Add(new BatchItem(new NpgsqlBatchCommand("select 1")));
        await _work.ExecuteAsync(items, Cancellation);
        return _work.Connection;
    }

    internal void InsertRow(Type type, object row)
    {
        var (table, sql) = _context.Tables.Require(type);
        var change = Record(ChangeKind.Insert, table, null, row);
        _recorded.Add(new Recorded(sql, change));
        _known[(type, change.Id)] = new Known(row, 1, IsLocked: true);
    }

    /// <param name="type">The row's type.</param>
    /// <param name="row">The row as it shall be.</param>
    /// <param name="element">The element of the client's array that it comes from. Default: the number of the change.</param>
    internal void UpdateRow(Type type, object row, int? element = null)
    {
        var (table, sql) = _context.Tables.Require(type);
        var known = RequireKnown(table, row);
        var change = Record(ChangeKind.Update, table, known.Row, row, element);
        Record(new BatchItem(sql.UpdateRow(row, known.IsLocked ? null : known.Version), YieldsRows: !known.IsLocked, change));
        _known[(type, change.Id)] = new Known(row, known.Version + 1, IsLocked: true);
    }

    internal void DeleteRow(Type type, object row, int? element = null)
    {
        var (table, sql) = _context.Tables.Require(type);
        var known = RequireKnown(table, row);
        var change = Record(ChangeKind.Delete, table, known.Row, null, element);
        Record(new BatchItem(sql.DeleteRow(row, known.IsLocked ? null : known.Version), YieldsRows: !known.IsLocked, change));
        _known.Remove((type, change.Id));
    }

    /// <summary>The row and its version, from memory or from the database.</summary>
    internal async Task<Known?> LoadAsync(Type type, Guid id, bool isLocked)
    {
        if (_known.TryGetValue((type, id), out var known) && (known.IsLocked || !isLocked))
            return known;
        var (table, sql) = _context.Tables.Require(type);
        var command = new NpgsqlBatchCommand(isLocked ? sql.Lock : sql.Find);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        await using var reader = await ReadAsync(command);
        if (!await reader.ReadAsync(Cancellation))
            return null;
        known = new Known(sql.ReadRow(reader), reader.GetInt64(table.Columns.Count), isLocked);
        _known[(type, id)] = known;
        return known;
    }

    /// <summary>The rows of these ids that exist, in one round trip.</summary>
    internal async Task<IReadOnlyDictionary<Guid, Known>> LoadAllAsync(Type type, Guid[] ids, bool isLocked)
    {
        var (table, sql) = _context.Tables.Require(type);
        var command = new NpgsqlBatchCommand(isLocked ? sql.LockAll : sql.FindAll);
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = ids });
        var found = new Dictionary<Guid, Known>(ids.Length);
        await using var reader = await ReadAsync(command);
        while (await reader.ReadAsync(Cancellation))
        {
            var row = sql.ReadRow(reader);
            var id = ((IId)table.Key.Member.Get(row)!).Value;
            if (!_known.TryGetValue((type, id), out var known) || (isLocked && !known.IsLocked))
                _known[(type, id)] = known = new Known(row, reader.GetInt64(table.Columns.Count), isLocked);
            found[id] = known;
        }
        return found;
    }

    internal async Task<NpgsqlDataReader> ReadAsync(NpgsqlBatchCommand command)
    {
        // Nobody knows whether a statement of the application gives rows too, so it goes before, and what comes next is the answer to the query.
        if (_hasUnreadResults)
            await _work.ExecuteAsync(Drain(), Cancellation);
        return await _work.ReadAsync(Drain(), command, Cancellation);
    }

    /// <summary>The version a row will have after the commit, if this unit of work knows it.</summary>
    internal long? VersionOf(Type type, Guid id) => _known.TryGetValue((type, id), out var known) ? known.Version : null;

    /// <summary>The change whose statement was refused, if it was one of ours.</summary>
    internal RowChange? ChangeBehind(PostgresException error) => error.BatchCommand is { } command ? _sent.FirstOrDefault(item => item.Command == command).Change : null;

    /// <summary>What a block writes with the commit, behind everything else.</summary>
    internal T Late<T>() where T : class, ILateWrites, new()
    {
        _late ??= [];
        if (_late.OfType<T>().FirstOrDefault() is { } known)
            return known;
        var added = new T();
        _late.Add(added);
        return added;
    }

    /// <summary>What it means that a statement of the commit was refused, if it was one of a block.</summary>
    internal ProblemException? RefusalOf(PostgresException error) => _late?.Select(late => late.Translate(error)).FirstOrDefault(problem => problem is not null);

    /// <summary>What this unit of work published and enqueued, one row for each handler.</summary>
    internal IReadOnlyList<JobRow> Jobs => _jobs;

    internal JobDesk Desk => _context.Desk;

    internal Origin Origin => _context.Origin;

    /// <summary>Whether it is run again after a conflict: then what was assumed before is to be looked at.</summary>
    internal bool IsRepeated => _context.IsRepeated;

    /// <summary>Whether all it does is to insert rows and to publish, without having looked at anything: then it can be committed together with others.</summary>
    internal bool OnlyInserts => !_work.HasBegun && _late is null && _afterCommit is null && _recorded.Count == _changes.Count && _recorded.TrueForAll(recorded => recorded.Statement is null);

    /// <summary>The rows to insert, by table in the order in which they were recorded. Only when it <see cref="OnlyInserts"/>.</summary>
    internal IEnumerable<(TableSql Sql, object Row)> Inserts => _recorded.Select(recorded => (recorded.Sql!, recorded.Change!.After!));

    /// <summary>Adds a statement of the framework to the transaction.</summary>
    internal void Record(BatchItem item) => _recorded.Add(new Recorded(null, item.Change, item));

    /// <summary>Does something when it is committed, and nothing when it is rolled back. It commits by itself then, not together with others.</summary>
    internal void AfterCommit(Action action) => _afterCommit += action;

    /// <summary>Adds a job that was made elsewhere.</summary>
    internal JobRow Record(JobRow row)
    {
        Demand(row);
        _jobs.Add(row);
        return row;
    }

    /// <summary>Adds a job that was made elsewhere; a unique one at once.</summary>
    /// <returns>The id of the job that there is in the end.</returns>
    internal async Task<Guid> StoreAsync(JobRow row)
    {
        if (row.Unique is null)
            return Record(row).Id;
        Demand(row);
        _storesJobs = true;
        await using var reader = await ReadAsync(JobInserts.Unique([row]).Command);
        await reader.ReadAsync(Cancellation);
        return reader.GetGuid(0);
    }

    /// <summary>Sends what is recorded together with receipt, audit entries and messages, and commits.</summary>
    /// <param name="receipt">The receipt of the call, if it has a key.</param>
    /// <param name="first">A statement on which everything else depends; it goes first.</param>
    internal async Task CommitAsync(ReceiptRow? receipt, BatchItem? first = null)
    {
        var items = new List<BatchItem>(_recorded.Count + 3);
        if (first is { } condition)
            items.Add(condition);
        if (receipt is not null || _changes.Count > 0)
            items.Add(CommitSql.Of(receipt, _changes, _context.Origin, _work.KeepsView));
        Drain(items);
        if (_jobs.Count == 0)
            await SendAsync(items);
        else
            await CommitJobsAsync(items);
        if (_storesJobs)
            _context.Desk.Wake();
        _afterCommit?.Invoke();
    }

    private async Task SendAsync(List<BatchItem> items)
    {
        if (_work.Faults is { } faults)
            await faults.ReachAsync(FaultPoint.BeforeCommit, Origin.Operation);
        foreach (var late in _late ?? [])
            items.AddRange(late.Statements());
        await _work.CommitAsync(items);
        if (_work.Faults is { } later)
            await later.ReachAsync(FaultPoint.AfterCommit, Origin.Operation);
    }

    /// <summary>Jobs go with the last batch, and whatever of them this node has room for runs here as soon as that is committed.</summary>
    private async Task CommitJobsAsync(List<BatchItem> items)
    {
        _context.Desk.Reserve(_jobs);
        try
        {
            items.AddRange(JobInserts.Of(_jobs));
            await SendAsync(items);
        }
        catch (Exception e)
        {
            _context.Desk.Dropped(_jobs, isInDoubt: _work.IsCommitting && e is not PostgresException);
            throw;
        }
        _context.Desk.Committed(_jobs);
    }

    /// <summary>What shall run later adds nothing to what is behind now.</summary>
    /// <exception cref="ProblemException"><c>queue-behind</c></exception>
    private void Demand(JobRow row)
    {
        if (_context.IsHeldBack && !row.IsDelayed)
            _context.Desk.Pressure.Demand(row.Handler);
    }

    private List<BatchItem> Drain()
    {
        var items = new List<BatchItem>(_recorded.Count + 1);
        Drain(items);
        return items;
    }

    private void Drain(List<BatchItem> items)
    {
        foreach (var recorded in _recorded)
        {
            var item = recorded.Statement ?? new BatchItem(recorded.Sql!.InsertRow(recorded.Change!.After!), Change: recorded.Change);
            items.Add(item);
            if (item.Change is not null)
                _sent.Add(item);
        }
        _recorded.Clear();
        _hasUnreadResults = false;
    }

    private RowChange Record(ChangeKind kind, TableModel table, object? before, object? after, int? element = null)
    {
        var change = new RowChange(kind, table, before, after, element ?? _changes.Count);
        _changes.Add(change);
        return change;
    }

    private Known RequireKnown(TableModel table, object row) =>
        _known.GetValueOrDefault((table.RowType, ((IId)table.Key.Member.Get(row)!).Value)) ?? throw new InvalidOperationException(
            $"MST1304: This unit of work has not read the {table.RowType.Name} it shall change, so it cannot know what it would overwrite. Read it first with LockAsync or RequireAsync.");

    private T? Admitted<T>(Known? known, Policy? visible) where T : class =>
        known is not null && (visible is null || visible.Resolve(User, typeof(T)).Holds(known.Row)) ? (T)known.Row : null;

    private static ProblemException NotFound<T>(Id<T> id) => ProblemCatalogue.NotFound.Because($"There is no {typeof(T).Name} '{id}'.");

    /// <summary>Something to be sent: a statement, or a row to insert, whose statement is made when it is known whether others go with it.</summary>
    private readonly record struct Recorded(TableSql? Sql, RowChange? Change, BatchItem? Statement = null);

    /// <summary>A row as this transaction knows it.</summary>
    internal sealed record Known(object Row, long Version, bool IsLocked);
}
