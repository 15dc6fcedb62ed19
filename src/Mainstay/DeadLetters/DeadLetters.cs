using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>
/// What will not be tried again by itself, of subscriptions and jobs alike: to look at, try again, discard and restore. Every change has an entry in the audit
/// trail that says who, what, how many and why.
/// </summary>
public sealed class DeadLetters
{
    /// <summary>The most letters that <see cref="DiscardManyAsync"/> and <see cref="RestoreManyAsync"/> change at once, and how far <see cref="PreviewAsync"/> counts.</summary>
    public const int CountMost = DeadLetterStore.CountMost;

    private static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

    private readonly TimeSpan _keepDiscarded;
    private readonly Transactor _transactor;
    private readonly QueueModel _model;
    private readonly JobDesk _desk;

    internal DeadLetters(Transactor transactor, QueueModel model, JobDesk desk, QueueOptions options)
    {
        _keepDiscarded = options.KeepDiscarded;
        _transactor = transactor;
        _model = model;
        _desk = desk;
    }

    /// <summary>Dead letters, those that died last first.</summary>
    /// <param name="filter">Which. Default: all that were not discarded.</param>
    /// <param name="after">The last entry of the page before. Default: from the beginning.</param>
    /// <param name="size">How many, 1 to 1000. Default: 100.</param>
    /// <param name="cancellation">Ends the query.</param>
    public Task<IReadOnlyList<DeadLetterEntry>> ListAsync(DeadLetterFilter? filter = null, DeadLetterEntry? after = null, int size = 100, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, 1000);
        return ReadAsync(snapshot => DeadLetterStore.ListAsync(snapshot, filter ?? new DeadLetterFilter(), after?.DeadAt, after?.Id, size), cancellation);
    }

    /// <summary>One dead letter with its payload and its errors, also one that was discarded; null when there is none of this id.</summary>
    public Task<DeadLetter?> FindAsync(Guid id, CancellationToken cancellation = default) => ReadAsync(snapshot => DeadLetterStore.FindAsync(snapshot, id), cancellation);

    /// <summary>What an action on this filter would touch, without doing anything.</summary>
    public Task<DeadLetterPreview> PreviewAsync(DeadLetterFilter filter, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        return ReadAsync(snapshot => DeadLetterStore.PreviewAsync(snapshot, filter), cancellation);
    }

    /// <summary>
    /// Makes a job of a dead letter again, with the same id and with all its attempts before it. Letter and job change places in one commit, so that it cannot run
    /// twice, however often and from wherever this is called.
    /// </summary>
    /// <param name="id">The id of the letter.</param>
    /// <param name="why">What for; for the audit trail.</param>
    /// <param name="payload">What it shall be given instead, as JSON. Checked against the record that the handler takes, if that is declared here. Default: what it had.</param>
    /// <param name="by">Who does it; for the audit trail. Default: the application.</param>
    /// <param name="cancellation">Ends the statement.</param>
    /// <returns>False when there is no such letter: it was never there, is open again, or was discarded.</returns>
    /// <exception cref="ProblemException"><c>validation-failed</c> or <c>malformed-json</c>: the handler could not read the payload.</exception>
    public async Task<bool> RedriveAsync(Guid id, string why, string? payload = null, User? by = null, CancellationToken cancellation = default)
    {
        var isRedriven = await ChangeAsync(work => RedriveInAsync(work, id, why, payload), by, cancellation);
        if (isRedriven)
            _desk.Wake();
        return isRedriven;
    }

    /// <summary>
    /// Begins to make jobs again of all dead letters that match and have died by now, the oldest first, a few at a time: until it has come to the end or is stopped,
    /// over restarts and on whichever node.
    /// </summary>
    /// <param name="filter">Which.</param>
    /// <param name="why">What for; for the audit trail.</param>
    /// <param name="perSecond">How many in a second, 1 to 10,000. Default: 100.</param>
    /// <param name="by">Who does it; for the audit trail. Default: the application.</param>
    /// <param name="cancellation">Ends the statement.</param>
    public async Task<Redrive> RedriveManyAsync(DeadLetterFilter filter, string why, int perSecond = 100, User? by = null, CancellationToken cancellation = default)
    {
        var redrive = await ChangeAsync(work => RedriveManyInAsync(work, filter, why, perSecond), by, cancellation);
        _desk.Redrives?.Invoke();
        return redrive;
    }

    /// <summary>How a redrive stands; null when there is none of this id.</summary>
    public Task<Redrive?> FindRedriveAsync(Guid id, CancellationToken cancellation = default) => ReadAsync(snapshot => DeadLetterStore.FindRedriveAsync(snapshot, id), cancellation);

    /// <summary>The hundred last redrives, newest first.</summary>
    public Task<IReadOnlyList<Redrive>> ListRedrivesAsync(CancellationToken cancellation = default) => ReadAsync(DeadLetterStore.ListRedrivesAsync, cancellation);

    /// <summary>Stops a redrive. What it has enqueued again stays so.</summary>
    /// <returns>False when there is none that runs.</returns>
    public async Task<bool> StopRedriveAsync(Guid id, string why, User? by = null, CancellationToken cancellation = default) =>
        await ChangeAsync(work => DeadLetterStore.StopRedriveAsync(work, id, Checked(why)), by, cancellation) is not null;

    /// <summary>Puts a dead letter aside. It can be restored for as long as <see cref="QueueOptions.KeepDiscarded"/> says, and is deleted then.</summary>
    /// <returns>False when there is none, or it was discarded already.</returns>
    public async Task<bool> DiscardAsync(Guid id, string why, User? by = null, CancellationToken cancellation = default) =>
        await ChangeAsync(work => DeadLetterStore.DiscardAsync(work, id, Checked(why)), by, cancellation) > 0;

    /// <summary>Puts aside what matches, the oldest first, at most <see cref="CountMost"/> at once.</summary>
    /// <returns>How many.</returns>
    public Task<int> DiscardManyAsync(DeadLetterFilter filter, string why, User? by = null, CancellationToken cancellation = default) =>
        ChangeAsync(work => DeadLetterStore.DiscardManyAsync(work, Present(filter), Checked(why)), by, cancellation);

    /// <summary>Takes back that a dead letter was discarded.</summary>
    /// <returns>False when it was not, or too long ago.</returns>
    public async Task<bool> RestoreAsync(Guid id, string why, User? by = null, CancellationToken cancellation = default) =>
        await ChangeAsync(work => RestoreInAsync(work, id, why), by, cancellation) > 0;

    /// <summary>Takes back that what matches was discarded, the oldest first, at most <see cref="CountMost"/> at once.</summary>
    /// <returns>How many.</returns>
    public Task<int> RestoreManyAsync(DeadLetterFilter filter, string why, User? by = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        return ChangeAsync(work => RestoreManyInAsync(work, filter, why), by, cancellation);
    }

    /// <summary>The same in a transaction that is open already.</summary>
    internal async Task<bool> RedriveInAsync(UnitOfWork work, Guid id, string why, string? payload)
    {
        Checked(why);
        if (payload is not null)
        {
            if (await DeadLetterStore.HandlerOfAsync(work, id) is not { } handler)
                return false;
            CheckPayload(handler, payload);
        }
        return await DeadLetterStore.RedriveAsync(work, id, payload, why);
    }

    internal static Task<Redrive> RedriveManyInAsync(UnitOfWork work, DeadLetterFilter filter, string why, int perSecond)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(perSecond, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(perSecond, 10_000);
        return DeadLetterStore.StartRedriveAsync(work, Present(filter), perSecond, Checked(why));
    }

    internal Task<int> RestoreInAsync(UnitOfWork work, Guid id, string why) => DeadLetterStore.RestoreAsync(work, id, _keepDiscarded, Checked(why));

    internal Task<int> RestoreManyInAsync(UnitOfWork work, DeadLetterFilter filter, string why) => DeadLetterStore.RestoreManyAsync(work, filter, _keepDiscarded, Checked(why));

    /// <summary>Makes this node look for what was redriven, and go on with redrives.</summary>
    internal void Wake()
    {
        _desk.Wake();
        _desk.Redrives?.Invoke();
    }

    /// <summary>A letter whose handler cannot read it would only die again.</summary>
    private void CheckPayload(string handler, string payload)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(payload);
        using var json = JsonBody.Parse(bytes);
        var faults = new InputFaults { IsStored = true };
        if (bytes.Length > MessageCatalogue.PayloadBytesMost)
            faults.Add(JsonPath.Root["payload"], "maxLength", $"Expected at most {MessageCatalogue.PayloadBytesMost} bytes, found {bytes.Length}.");
        // A handler that is declared elsewhere has a record of its own; here, that it can be stored is all that is known.
        var type = _model.Handlers.FirstOrDefault(known => known.Name == handler)?.Input ?? typeof(JsonElement);
        Shape.Of(type).Read(json.RootElement, JsonPath.Root["payload"], faults);
        faults.ThrowIfAny();
    }

    private static string Checked(string why)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(why);
        return Member.Characters(why) <= Member.DefaultTextMost ? why : throw new ArgumentException($"The text has {Member.Characters(why)} characters, expected at most {Member.DefaultTextMost}.", nameof(why));
    }

    private static DeadLetterFilter Present(DeadLetterFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        return !filter.Discarded ? filter : throw new ArgumentException("The filter asks for what was discarded. Restore it first.", nameof(filter));
    }

    private Task<T> ReadAsync<T>(Func<Snapshot, Task<T>> read, CancellationToken cancellation) =>
        _transactor.ReadAsync(new TransactionRequest(User.System("dead letters"), Origin.OfRead, Deadline.After(patience, _transactor.Database.Clock), cancellation), read);

    private Task<T> ChangeAsync<T>(Func<UnitOfWork, Task<T>> change, User? by, CancellationToken cancellation)
    {
        var here = ApplicationOrigin.Here();
        var request = new TransactionRequest(by ?? User.System(here.Operation), by is null ? here : here with { Actor = by.Id }, Deadline.After(patience, _transactor.Database.Clock), cancellation);
        return _transactor.RunAsync(request, async work => new Completed<T>(await change(work)));
    }
}
