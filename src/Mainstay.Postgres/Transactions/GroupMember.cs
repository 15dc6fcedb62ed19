namespace Mainstay.Internal;

/// <summary>A call that waits to be committed together with others: what its handler recorded, and until when.</summary>
internal sealed class GroupMember(UnitOfWork unit, ReceiptRow? receipt, TransactionRequest request)
{
    private const int Waiting = 0;
    private const int Taken = 1;
    private const int Withdrawn = 2;

    private readonly TaskCompletionSource<GroupOutcome> _outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _state;

    public UnitOfWork Unit => unit;

    public ReceiptRow? Receipt => receipt;

    public int Rows => unit.Changes.Count;

    public Deadline Deadline => request.Deadline;

    public CancellationToken Cancellation => request.Cancellation;

    public Task<GroupOutcome> Outcome => _outcome.Task;

    public TimeSpan Left(TimeProvider clock) => request.Deadline.Left(clock);

    /// <returns>False when it does not wait any more.</returns>
    public bool Take() => Interlocked.CompareExchange(ref _state, Taken, Waiting) == Waiting;

    /// <summary>Ends the wait of a call whose time is over. One that has been taken is not cancelled, because nobody would know the outcome of its commit.</summary>
    public void Withdraw()
    {
        if (Interlocked.CompareExchange(ref _state, Withdrawn, Waiting) == Waiting)
            _outcome.TrySetCanceled(request.Cancellation);
    }

    public void End(GroupOutcome outcome) => _outcome.TrySetResult(outcome);

    public void Fail(Exception error) => _outcome.TrySetException(error);
}

/// <summary>What became of a call in its group.</summary>
/// <param name="IsCommitted">Whether it is committed. Otherwise it has to be committed alone.</param>
/// <param name="RoundTrips">How often its group went to the database.</param>
/// <param name="Lost">The connection broke during the commit of its group, which may or may not have come through.</param>
internal sealed record GroupOutcome(bool IsCommitted, int RoundTrips, Exception? Lost = null)
{
    public static readonly GroupOutcome Committed = new(true, 1);

    /// <summary>Its own work has counted its round trip.</summary>
    public static readonly GroupOutcome CommittedAlone = new(true, 0);

    public static readonly GroupOutcome Alone = new(false, 0);

    public static readonly GroupOutcome RolledBack = new(false, 1);

    public static GroupOutcome InDoubt(Exception lost) => new(false, 1, lost);
}
