using System.Data.Common;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>
/// Double-entry accounting: accounts, transfers whose entries sum to zero, holds, statements. The database writes entries and balances itself, so that they cannot part from each other. Every call
/// that changes something can be repeated: it happens once. Each commits by itself, unless the ledger is bound to a transaction by <see cref="In(UnitOfWork)"/>.
/// </summary>
public sealed class Ledger
{
    private readonly LedgerSession _session;

    internal Ledger(LedgerSession session) => _session = session;

    /// <summary>
    /// The same calls, within a unit of work: they commit with it, and the accounts of a transfer are locked until then. Where the answer is not needed, <see cref="LedgerExtensions.Transfer"/> records a
    /// transfer that is sent with the commit, so that accounts are locked for no longer than that.
    /// </summary>
    public Ledger In(UnitOfWork work)
    {
        ArgumentNullException.ThrowIfNull(work);
        return new Ledger(new LedgerInUnitOfWork(work, _session));
    }

    /// <summary>The same calls, within a transaction of the application's own. The accounts of a transfer are locked until it ends, so transfer as late in it as possible.</summary>
    /// <param name="transaction">The open transaction: of Npgsql or Dapper as it is, of EF Core from <c>GetDbTransaction()</c>. The caller commits it.</param>
    /// <exception cref="ConfigurationException">MST2903: the transaction cannot carry a transfer.</exception>
    public Ledger In(DbTransaction transaction) => new(new LedgerInTransaction(CallerTransaction.Require(transaction, "MST2903"), _session));

    /// <summary>Opens an account. When there is one with the code and of the same kind, it is that one.</summary>
    /// <exception cref="ProblemException"><c>transfer-reused</c>: the code or the id belongs to an account of another kind. <c>reference-not-found</c>: the currency is not declared.</exception>
    public async Task<LedgerAccount> OpenAsync(NewLedgerAccount account, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(account);
        account.Check();
        var id = await _session.OneAsync(() => LedgerSql.Open(account), static row => row.GetGuid(0), cancellation);
        return await _session.AfterwardsAsync(() => RequireAsync(Id<LedgerAccount>.From(id), cancellation));
    }

    /// <summary>The account with this id as it is now, or null.</summary>
    public Task<LedgerAccount?> FindAsync(Id<LedgerAccount> id, CancellationToken cancellation = default) => _session.FindAsync(() => LedgerSql.Account(id), LedgerRows.Account, cancellation);

    /// <summary>The account with this code as it is now, or null.</summary>
    public Task<LedgerAccount?> FindAsync(string code, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(code);
        return _session.FindAsync(() => LedgerSql.Account(code), LedgerRows.Account, cancellation);
    }

    /// <summary>The account with this id as it is now.</summary>
    /// <exception cref="ProblemException"><c>not-found</c>: there is none.</exception>
    public async Task<LedgerAccount> RequireAsync(Id<LedgerAccount> id, CancellationToken cancellation = default) =>
        await FindAsync(id, cancellation) ?? throw ProblemCatalogue.NotFound.Because($"There is no account '{id}'.");

    /// <summary>Changes what must be left on an account: 0 it must not go negative, -10000 it has a credit of 10000 units, null no limit.</summary>
    /// <exception cref="ProblemException"><c>insufficient-funds</c>: less is left now. <c>not-found</c>: there is no such account.</exception>
    public Task<LedgerAccount> LimitAsync(Id<LedgerAccount> id, long? least, CancellationToken cancellation = default) => ChangeAsync(id, () => LedgerSql.Limit(id, least), cancellation);

    /// <summary>Closes an account, on which there is nothing. It takes no more transfers.</summary>
    /// <exception cref="ProblemException"><c>account-not-empty</c>: there is something on it, or held. <c>not-found</c>: there is no such account.</exception>
    public async Task<LedgerAccount> CloseAsync(Id<LedgerAccount> id, CancellationToken cancellation = default)
    {
        await FoldAsync(id, cancellation);
        return await ChangeAsync(id, () => LedgerSql.Close(id), cancellation);
    }

    /// <summary>Opens an account again that was closed.</summary>
    /// <exception cref="ProblemException"><c>not-found</c>: there is no such account.</exception>
    public Task<LedgerAccount> ReopenAsync(Id<LedgerAccount> id, CancellationToken cancellation = default) => ChangeAsync(id, () => LedgerSql.Reopen(id), cancellation);

    /// <summary>Records a transfer. Transfers that come at the same time and commit by themselves share a commit; each is refused on its own.</summary>
    /// <exception cref="ProblemException">One of <see cref="LedgerProblems"/>, or <c>reference-not-found</c>: there is no such account or hold.</exception>
    public Task<LedgerPosting> TransferAsync(LedgerTransfer transfer, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(transfer);
        transfer.Check();
        // Asked before the span begins, which is not what causes it.
        var origin = _session.Origin;
        return LedgerMetrics.MeasureAsync(() => _session.TransferAsync(transfer, origin, cancellation));
    }

    /// <summary>Takes a transfer back by a new one with the opposite entries. A transfer is taken back once; the same reversal again, by its id or key, gives what was recorded first.</summary>
    /// <param name="original">The transfer to take back.</param>
    /// <param name="id">The id of the reversal. Default: a new one, so that a repetition is refused.</param>
    /// <param name="description">For people. Default: nothing.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="ProblemException"><c>not-found</c>: there is no such transfer. <c>transfer-reversed</c>: another one has taken it back. And those of <see cref="TransferAsync"/>.</exception>
    public async Task<LedgerPosting> ReverseAsync(Id<LedgerTransfer> original, Id<LedgerTransfer>? id = null, string? description = null, CancellationToken cancellation = default)
    {
        var known = await FindTransferAsync(original, cancellation) ?? throw ProblemCatalogue.NotFound.Because($"There is no transfer '{original}'.");
        LedgerEntry[] entries = [.. known.Transfer.Entries.Select(entry => LedgerEntry.Of(entry.Account, checked(-entry.Amount)))];
        return await TransferAsync(new LedgerTransfer(entries) { Id = id ?? Id<LedgerTransfer>.New(), Reverses = original, Description = description }, cancellation);
    }

    /// <summary>The transfer with this id as it was recorded, or null.</summary>
    public Task<LedgerRecord?> FindTransferAsync(Id<LedgerTransfer> id, CancellationToken cancellation = default) => _session.FindAsync(() => LedgerSql.FindTransfer(id), LedgerRows.Record, cancellation);

    /// <summary>The transfer with this <see cref="LedgerTransfer.Key"/> as it was recorded, or null.</summary>
    public Task<LedgerRecord?> FindTransferAsync(string key, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(key);
        return _session.FindAsync(() => LedgerSql.FindTransfer(key), LedgerRows.Record, cancellation);
    }

    /// <summary>Sets an amount aside. It is captured by a transfer that names it in <see cref="LedgerTransfer.Captures"/>.</summary>
    /// <exception cref="ProblemException"><c>insufficient-funds</c>, <c>account-closed</c>; <c>reference-not-found</c>: there is no such account, or it is deferred. <c>transfer-reused</c>: the id belongs to another hold.</exception>
    public async Task<LedgerHold> HoldAsync(NewLedgerHold hold, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(hold);
        hold.Check();
        await _session.OneAsync(() => LedgerSql.Hold(hold, _session.Origin), static _ => true, cancellation);
        return (await _session.AfterwardsAsync(() => FindHoldAsync(hold.Id, cancellation)))!;
    }

    /// <summary>Releases what is still set aside by a hold. One that has ended stays as it is.</summary>
    /// <exception cref="ProblemException"><c>reference-not-found</c>: there is no such hold.</exception>
    public async Task<LedgerHold> ReleaseAsync(Id<LedgerHold> hold, CancellationToken cancellation = default)
    {
        await _session.OneAsync(() => LedgerSql.Release(hold), static _ => true, cancellation);
        return (await _session.AfterwardsAsync(() => FindHoldAsync(hold, cancellation)))!;
    }

    /// <summary>The hold with this id as it is now, or null.</summary>
    public Task<LedgerHold?> FindHoldAsync(Id<LedgerHold> id, CancellationToken cancellation = default) => _session.FindAsync(() => LedgerSql.FindHold(id), LedgerRows.Hold, cancellation);

    /// <summary>What an account had at a time, by all that was recorded until now: the sum of its entries that count by then, in whole units and its own direction.</summary>
    /// <exception cref="ProblemException"><c>not-found</c>: there is no such account.</exception>
    public async Task<long> BalanceAsync(Id<LedgerAccount> id, DateTimeOffset at, CancellationToken cancellation = default) =>
        decimal.ToInt64((await _session.QueryAsync(() => LedgerSql.BalanceAt(id, at), static row => row.GetDecimal(0), cancellation) is [var balance]) ? balance : throw ProblemCatalogue.NotFound.Because($"There is no account '{id}'."));

    /// <summary>A page of the entries of an account, each with the balance behind it. There are none for an account that does not exist.</summary>
    public async Task<LedgerPage> StatementAsync(Id<LedgerAccount> id, LedgerStatement? statement = null, CancellationToken cancellation = default)
    {
        statement ??= new LedgerStatement();
        statement.Check();
        await FoldAsync(id, cancellation);
        var lines = await _session.QueryAsync(() => LedgerSql.Statement(id, statement), LedgerRows.Line, cancellation);
        return lines.Count > statement.Size ? new LedgerPage(lines[..statement.Size], lines[statement.Size - 1].Number) : new LedgerPage(lines, null);
    }

    /// <summary>Looks whether everything holds that must hold, from one view of the database. For a running application: it only reads, and within a time.</summary>
    /// <param name="within">How long it may take, all in all. It reads every entry; what there was no time for is named. Default: 30 s.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task<LedgerReport> VerifyAsync(TimeSpan? within = null, CancellationToken cancellation = default)
    {
        await using var view = await CheckedView.OpenAsync(_session.Database, within ?? TimeSpan.FromSeconds(30), cancellation);
        var findings = new List<LedgerFinding>();
        var unfinished = new List<string>();
        foreach (var check in LedgerCheck.All)
            if (await view.RunAsync(check.Sql, static _ => { }, cancellation) is not { } rows)
                unfinished.Add(check.Name);
            else if (rows.Count > 0)
                findings.Add(new LedgerFinding(check.Name, check.Expected, [.. rows.Take(CheckedView.RowsMost).Select(row => new LedgerFindingRow(row.Row, row.Detail))], rows.Count > CheckedView.RowsMost, check.NextStep));
        return new LedgerReport(view.At, findings, unfinished);
    }

    private async Task<LedgerAccount> ChangeAsync(Id<LedgerAccount> id, Func<Npgsql.NpgsqlBatchCommand> change, CancellationToken cancellation)
    {
        await _session.ChangeAsync(change, static _ => true, cancellation);
        return await _session.AfterwardsAsync(() => RequireAsync(id, cancellation));
    }

    /// <summary>Gives what a deferred account has got until now its numbers, and not what comes meanwhile; of another account there is nothing to do.</summary>
    private async Task FoldAsync(Id<LedgerAccount> id, CancellationToken cancellation)
    {
        if (await _session.QueryAsync(() => LedgerSql.LastUnfolded(id.Value), static row => row.IsDBNull(0) ? (long?)null : row.GetInt64(0), cancellation) is not [{ } last])
            return;
        while ((await _session.QueryAsync(() => LedgerSql.FoldTo(id.Value, last), static _ => true, cancellation)).Count > 0)
        {
        }
    }
}
