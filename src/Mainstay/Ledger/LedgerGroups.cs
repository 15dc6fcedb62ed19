using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Records transfers that commit by themselves, several in one commit. While a few groups are on their way, those that come collect behind them and make the next one; nobody waits for a timer. So an account
/// that every transfer touches is locked once for many of them, and the disk is waited for once.
/// </summary>
/// <remarks>
/// A refused transfer is a row and takes nothing from the others. A group waits for locks for a moment only: when somebody holds an account for longer, its transfers go on one by one, beside the groups that
/// follow, and only those wait that need that account. Both are few at a time, so that they leave connections to everybody else.
/// </remarks>
#pragma warning disable CA1001 // Semaphores hold nothing of the system unless somebody asks for their wait handle.
internal sealed class LedgerGroups(Transactor transactor, TimeSpan timeout)
#pragma warning restore CA1001
{
    /// <summary>So many versions of an account's row fit on its page, beside those of a neighbour.</summary>
    public const int MembersMost = 32;

    /// <summary>Groups on their way at once: while the database is at one, this process reads and writes another.</summary>
    private static readonly int sendersMost = Math.Clamp(Environment.ProcessorCount / 2, 2, 4);

    private static readonly TimeSpan lockMost = TimeSpan.FromMilliseconds(200);

    private readonly Lock _gate = new();
    private readonly Queue<Member> _waiting = new();
    private readonly SemaphoreSlim _alone = new(AloneMost(transactor.Database));
    private readonly SemaphoreSlim _patient = new(AloneMost(transactor.Database));
    private int _senders;

    /// <summary>Well below the pool.</summary>
    private static int AloneMost(Database database) => Math.Clamp(new NpgsqlConnectionStringBuilder(database.Source.ConnectionString).MaxPoolSize / 6, 1, 8);

    /// <summary>A batch whose first statement limits those that follow.</summary>
    public static NpgsqlBatch Batch(NpgsqlConnection connection, TimeSpan left, TimeSpan lockMost)
    {
        left = left > TimeSpan.Zero ? left : throw DatabaseErrors.DeadlineExceeded();
        var limits = Limits.Of(left, lockMost)!.Value;
        return new NpgsqlBatch(connection) { Timeout = (int)Math.Ceiling(left.TotalSeconds) + 2, BatchCommands = { Work.Timeouts(limits.Statement, limits.Lock) } };
    }

    public async Task<LedgerPosting> TransferAsync(LedgerTransfer transfer, Origin origin, CancellationToken cancellation)
    {
        var member = new Member(transfer, origin, Deadline.After(timeout, transactor.Database.Clock), cancellation);
        bool isMore;
        lock (_gate)
        {
            _waiting.Enqueue(member);
            isMore = _senders < sendersMost;
            if (isMore)
                _senders++;
        }
        if (isMore)
            // Outside of the call that happens to be first: its trace and its log scope are not those of the others.
            using (ExecutionContext.SuppressFlow())
                _ = Task.Run(SendAllAsync, CancellationToken.None);
        await using var withdrawal = cancellation.UnsafeRegister(static state => ((Member)state!).Withdraw(), member);
        return await member.Posting;
    }

    private async Task SendAllAsync()
    {
        while (Take() is { Count: > 0 } group)
            await SendAsync(group, new Doubt());
    }

    /// <summary>The next group, in the order of arrival. Empty when nobody waits; the next one to come starts afresh.</summary>
    private List<Member> Take()
    {
        var group = new List<Member>();
        lock (_gate)
        {
            while (group.Count < MembersMost && _waiting.TryDequeue(out var member))
                if (member.Take())
                    group.Add(member);
            if (group.Count == 0)
                _senders--;
        }
        return group;
    }

    private async Task SendAsync(List<Member> group, Doubt doubt)
    {
        try
        {
            var deadline = group.Select(member => member.Deadline).Aggregate((one, other) => one.Earlier(other));
            await RunAsync(group, deadline, lockMost, doubt);
            LedgerMetrics.Grouped(group.Count);
        }
        // It was not even sent, and would not be one by one.
        catch (ProblemException problem) when (problem.Type == ProblemCatalogue.DatabaseUnavailable)
        {
            foreach (var member in group)
                member.Fail(problem);
        }
        // One of them waits for somebody, or has met another limit, or is not what the database takes. Each finds out for itself, and nobody waits for it here.
        catch (Exception) when (group.Count > 1)
        {
            foreach (var member in group)
            {
                var own = new Doubt { Cause = doubt.Cause };
                _ = LimitedAsync(_alone, member, own, () => SendAsync([member], own));
            }
        }
        catch (ProblemException problem) when (problem.Type == ProblemCatalogue.ConcurrentUpdate || problem.Type == ProblemCatalogue.OutcomeUnknown)
        {
            _ = LimitedAsync(_patient, group[0], doubt, () => RunAsync(group, group[0].Deadline, TimeSpan.MaxValue, doubt));
        }
        catch (Exception e)
        {
            group[0].Fail(e);
        }
    }

    /// <summary>Sends a transfer when it is its turn among those that are sent one by one.</summary>
    private async Task LimitedAsync(SemaphoreSlim gate, Member member, Doubt doubt, Func<Task> send)
    {
        try
        {
            var left = member.Deadline.Left(transactor.Database.Clock);
            using var over = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, transactor.Database.Clock);
            await gate.WaitAsync(over.Token);
        }
        catch (OperationCanceledException e)
        {
            member.Fail(doubt.Cause is { } cause ? DatabaseErrors.OutcomeUnknown(cause) : DatabaseErrors.DeadlineExceeded(e));
            return;
        }
        try
        {
            await send();
        }
        catch (Exception e)
        {
            member.Fail(e);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Not cancellable: a cancelled commit is one whose outcome nobody knows. It is run again if it has to be, because each transfer is recorded once.</summary>
    private async Task RunAsync(List<Member> group, Deadline deadline, TimeSpan locks, Doubt doubt)
    {
        try
        {
            await transactor.WriteAsync(new TransactionRequest(User.Anonymous, group[0].Origin, deadline, CancellationToken.None), RunOnceAsync, group, doubt);
        }
        catch (PostgresException e) when (group is [var single] && LedgerRefusal.Translate(e) is { } refusal)
        {
            single.Fail(refusal);
        }

        async ValueTask<int> RunOnceAsync(List<Member> members)
        {
            await using var connection = await transactor.Database.OpenAsync(deadline, CancellationToken.None);
            await using var batch = Batch(connection, deadline.Left(transactor.Database.Clock), locks);
            if (members is [var single])
                batch.BatchCommands.Add(LedgerSql.Transfer(single.Transfer, single.Origin));
            else
            {
                batch.BatchCommands.Add(LedgerSql.Lock(members.Select(member => member.Transfer)));
                foreach (var member in members)
                    batch.BatchCommands.Add(LedgerSql.TryTransfer(member.Transfer, member.Origin));
            }
            doubt.IsSent = true;
            return await ReadAsync(batch, members);
        }
    }

    /// <summary>Ends the members when the whole batch, and with it the commit, has come through.</summary>
    private static async Task<int> ReadAsync(NpgsqlBatch batch, List<Member> members)
    {
        var results = new List<(LedgerPosting? Posting, ProblemException? Refusal)>(members.Count);
        await using (var reader = await batch.ExecuteReaderAsync(CancellationToken.None))
        {
            await reader.NextResultAsync();
            if (members.Count > 1)
                await reader.NextResultAsync();
            for (; results.Count < members.Count; await reader.NextResultAsync())
            {
                await reader.ReadAsync();
                var refusal = members.Count > 1 && !reader.IsDBNull(3) ? LedgerRefusal.Translate(reader.GetString(3), reader.IsDBNull(4) ? null : reader.GetString(4)) : null;
                results.Add((refusal is null ? LedgerRows.Posting(reader) : null, refusal));
            }
        }
        foreach (var (member, (posting, refusal)) in members.Zip(results))
            member.End(posting, refusal);
        return members.Count;
    }

    /// <summary>A transfer that waits to be recorded.</summary>
    private sealed class Member(LedgerTransfer transfer, Origin origin, Deadline deadline, CancellationToken cancellation)
    {
        private const int Waiting = 0;
        private const int Taken = 1;
        private const int Withdrawn = 2;

        private readonly TaskCompletionSource<LedgerPosting> _posting = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _state;

        public LedgerTransfer Transfer => transfer;

        public Origin Origin => origin;

        public Deadline Deadline => deadline;

        public Task<LedgerPosting> Posting => _posting.Task;

        /// <returns>False when it does not wait any more.</returns>
        public bool Take() => Interlocked.CompareExchange(ref _state, Taken, Waiting) == Waiting;

        /// <summary>Ends the wait of a call that was cancelled. One that has been taken is not, because nobody would know its outcome.</summary>
        public void Withdraw()
        {
            if (Interlocked.CompareExchange(ref _state, Withdrawn, Waiting) == Waiting)
                _posting.TrySetCanceled(cancellation);
        }

        public void End(LedgerPosting? posting, ProblemException? refusal)
        {
            if (posting is not null)
                _posting.TrySetResult(posting);
            else
                _posting.TrySetException(refusal!);
        }

        public void Fail(Exception error) => _posting.TrySetException(error);
    }
}
