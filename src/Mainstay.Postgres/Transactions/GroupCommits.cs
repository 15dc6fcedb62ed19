using System.Data;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Commits what concurrent calls of one command have recorded, several at a time. While one group is on its way to the database, those who come collect behind it and
/// make the next one; nobody waits for a timer, so whoever comes alone is committed at once and alone.
/// </summary>
/// <remarks>
/// <code>
///   calls      ─┬─ first ──▶ [commit of 1] ─────▶ [commit of 5] ──────▶ …
///               └─ second … sixth, meanwhile ──┘
///
///   group      receipts and audit entries: one statement · each table: one insert from arrays · messages: one statement · one commit
/// </code>
/// A group fails as a whole, and then it has changed nothing. Its halves are tried, and from a few calls on each is committed alone, from what its handler recorded, so
/// that the one at fault gets exactly what it would have got without a group, and the others are rarely alone because of it. Whatever would be slow for others keeps
/// out: a call whose deadline is near, one with many rows, and a lock that is not free soon.
/// </remarks>
internal sealed class GroupCommits(Database database)
{
    /// <summary>Beyond so many, larger arrays save nothing more, and a failure costs more.</summary>
    public const int MembersMost = 64;

    /// <summary>A group that is larger than this is halved when it is refused; the calls of a smaller one are committed alone.</summary>
    private const int HalvedLeast = 4;

    /// <summary>Calls with more rows than this are a bulk of their own.</summary>
    private const int RowsOfMemberMost = 100;

    private const int RowsMost = 1000;
    private const int AnswerBytesMost = 1024 * 1024;

    /// <summary>With less time than this a call is not made to wait for others.</summary>
    private static readonly TimeSpan leftLeast = TimeSpan.FromMilliseconds(50);

    /// <summary>Of a group that meets a lock only one call needs it: give up, so that the others go on.</summary>
    private static readonly TimeSpan lockMost = TimeSpan.FromMilliseconds(200);

    private readonly Lock _gate = new();
    private readonly Queue<GroupMember> _waiting = new();
    private bool _isCommitting;

    /// <summary>How many calls wait behind the group that is being committed.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
                return _waiting.Count;
        }
    }

    /// <summary>Waits until the member is committed, or until it is known that it has to be committed alone.</summary>
    /// <exception cref="Exception">What its commit failed with, when it was alone in its group.</exception>
    /// <exception cref="OperationCanceledException">Its time was over before its group was sent; nothing was changed.</exception>
    public async Task<GroupOutcome> CommitAsync(GroupMember member)
    {
        if (member.Rows > RowsOfMemberMost || member.Left(database.Clock) < leftLeast)
            return GroupOutcome.Alone;
        bool isFirst;
        lock (_gate)
        {
            _waiting.Enqueue(member);
            isFirst = !_isCommitting;
            _isCommitting = true;
        }
        if (isFirst)
            Start();
        await using var withdrawal = member.Cancellation.UnsafeRegister(static state => ((GroupMember)state!).Withdraw(), member);
        return await member.Outcome;
    }

    /// <summary>Outside of the call that happens to be first: its trace and its log scope are not those of the others.</summary>
    private void Start()
    {
        using (ExecutionContext.SuppressFlow())
            _ = Task.Run(CommitAllAsync);
    }

    private async Task CommitAllAsync()
    {
        while (Take() is { Count: > 0 } group)
            try
            {
                if (group is [var single])
                    await CommitAloneAsync(single);
                else
                    await CommitAsync(group);
            }
            catch (Exception e)
            {
                // A mistake of ours: those who come behind must not wait for ever. Who has been told already stays told.
                foreach (var member in group)
                    member.Fail(e);
            }
    }

    /// <summary>The next group, in the order of arrival. Empty when nobody waits; the next one to come starts afresh.</summary>
    private List<GroupMember> Take()
    {
        var group = new List<GroupMember>();
        var keys = new HashSet<(string, string)>();
        var (rows, bytes) = (0, 0);
        lock (_gate)
        {
            while (group.Count < MembersMost && rows < RowsMost && bytes < AnswerBytesMost && _waiting.TryDequeue(out var member))
            {
                if (!member.Take())
                    continue;
                // The same key twice: one is executed, and the other one waits for it in the database as it always does, to be answered from its receipt.
                if (member.Receipt is { } receipt && !keys.Add((receipt.Key.Scope, receipt.Key.Key)))
                {
                    member.End(GroupOutcome.Alone);
                    continue;
                }
                group.Add(member);
                rows += member.Rows;
                bytes += member.Receipt?.Answer.Body.Length ?? 0;
            }
            if (group.Count == 0)
                _isCommitting = false;
        }
        return group;
    }

    private static async Task CommitAloneAsync(GroupMember member)
    {
        try
        {
            await member.Unit.CommitAsync(member.Receipt);
            member.End(GroupOutcome.CommittedAlone);
        }
        catch (Exception e)
        {
            member.Fail(e);
        }
    }

    private async Task CommitAsync(List<GroupMember> group)
    {
        var deadline = group[0].Deadline;
        foreach (var member in group)
            deadline = deadline.Earlier(member.Deadline);
        var outcome = GroupOutcome.RolledBack;
        var isHalved = false;
        try
        {
            await using var work = new Work(database, deadline, IsolationLevel.ReadCommitted, isReadOnly: false, CancellationToken.None) { LockMost = lockMost };
            (outcome, isHalved) = await CommitAsync(work, group);
        }
        catch (Exception e) when (DatabaseErrors.IsUnavailable(e))
        {
            // The connection could not be given back. What its group has come to is known by then.
        }
        finally
        {
            if (!isHalved)
                foreach (var member in group)
                    member.End(outcome);
        }
        if (!isHalved)
            return;
        await CommitAsync(group[..(group.Count / 2)]);
        await CommitAsync(group[(group.Count / 2)..]);
    }

    /// <returns>What the group has come to, and whether its halves may come to something better.</returns>
    private static async Task<(GroupOutcome Outcome, bool IsHalved)> CommitAsync(Work work, List<GroupMember> group)
    {
        var desk = group[0].Unit.Desk;
        JobRow[] jobs = [.. group.SelectMany(member => member.Unit.Jobs)];
        try
        {
            desk.Reserve(jobs);
            if (work.Faults is { } faults)
                await faults.ReachAsync(FaultPoint.BeforeCommit, group[0].Unit.Origin.Operation);
            await work.CommitAsync(Statements(group, jobs));
            if (work.Faults is { } later)
                await later.ReachAsync(FaultPoint.AfterCommit, group[0].Unit.Origin.Operation);
        }
        catch (Exception e)
        {
            desk.Dropped(jobs, isInDoubt: work.IsCommitting && e is not PostgresException);
            if (work.IsCommitting && DatabaseErrors.IsUnavailable(e))
                return (GroupOutcome.InDoubt(e), false);
            // Refused because of one of them. After a wait there is no time for several more of the kind, and without a connection halves are no better off.
            return (GroupOutcome.RolledBack, group.Count > HalvedLeast && e is PostgresException && !DatabaseErrors.IsLockTimeout(e) && !DatabaseErrors.IsStatementTimeout(e) && !DatabaseErrors.IsUnavailable(e));
        }
        desk.Committed(jobs);
        return (GroupOutcome.Committed, false);
    }

    private static List<BatchItem> Statements(List<GroupMember> group, JobRow[] jobs)
    {
        var receipts = new List<ReceiptRow>(group.Count);
        var changes = new List<(RowChange, Origin)>(group.Count);
        // In the order of first use: a row that another one refers to was recorded before it, or its own call would be refused.
        var tables = new List<(TableSql Sql, List<object> Rows)>();
        foreach (var member in group)
        {
            if (member.Receipt is { } receipt)
                receipts.Add(receipt);
            foreach (var change in member.Unit.Changes)
                changes.Add((change, member.Unit.Origin));
            foreach (var (sql, row) in member.Unit.Inserts)
                RowsOf(tables, sql).Add(row);
        }
        var statements = new List<BatchItem>(tables.Count + 2);
        if (receipts.Count > 0 || changes.Count > 0)
            statements.Add(new BatchItem(CommitSql.OfGroup(receipts, changes)));
        foreach (var (sql, rows) in tables)
            statements.Add(new BatchItem(sql.InsertRows(rows)));
        if (jobs.Length > 0)
            statements.AddRange(JobInserts.Of(jobs));
        return statements;
    }

    private static List<object> RowsOf(List<(TableSql Sql, List<object> Rows)> tables, TableSql sql)
    {
        foreach (var (known, rows) in tables)
            if (known == sql)
                return rows;
        var added = new List<object>();
        tables.Add((sql, added));
        return added;
    }
}
