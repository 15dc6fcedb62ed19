using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace Mainstay.Internal;

/// <summary>All statements of the ledger. What they write is decided in the database, by the functions and triggers of its schema.</summary>
internal static class LedgerSql
{
    /// <summary>So many entries are folded by one statement, as the trigger says.</summary>
    public const int FoldMost = 5000;

    private const string TransferArguments = "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

    private const string AccountText = """
        select account.id, account.code, account.currency, currency.decimals, account.sign, account.least, account.is_deferred, account.opened_at, account.closed_at,
            account.balance + case when account.is_deferred then coalesce((select sum(entry.amount) from mainstay.ledger_unfolded entry where entry.account = account.id), 0) else 0 end,
            account.held - case when account.held > 0 then coalesce((select sum(hold.amount - hold.captured - hold.released) from mainstay.ledger_holds hold
                where hold.account = account.id and hold.captured + hold.released < hold.amount and hold.expires_at <= mainstay.now()), 0) else 0 end
        from mainstay.ledger_accounts account join mainstay.ledger_currencies currency on currency.code = account.currency
        where
        """;

    private const string TransferText = """
        select transfer.id, transfer.accounts, transfer.amounts, transfer.key, transfer.effective_at, transfer.description, transfer.reference, transfer.metadata::text, transfer.reverses, transfer.hold,
            transfer.releases_rest, transfer.at, (select reversal.id from mainstay.ledger_transfers reversal where reversal.reverses = transfer.id), transfer.origin::text
        from mainstay.ledger_transfers transfer
        where
        """;

    private const string StatementText = """
        select entry.seq, entry.transfer, entry.amount * account.sign, entry.balance * account.sign, entry.at, coalesce(entry.effective_at, entry.at), transfer.description, transfer.reference
        from mainstay.ledger_accounts account
        join mainstay.ledger_entries entry on entry.account = account.id
        join mainstay.ledger_transfers transfer on transfer.id = entry.transfer
        where account.id = $1
            and entry.seq > (select greatest(coalesce($5, 0), coalesce(mainstay.ledger_seq_at($1, $2 - interval '1 microsecond'), 0)))
            and entry.seq <= (select least($6, mainstay.ledger_seq_at($1, $3 - interval '1 microsecond')))
        order by entry.seq
        """;

    public static NpgsqlBatchCommand Transfer(LedgerTransfer transfer, Origin origin) => Transfer($"select transfer, recorded_at, is_new from mainstay.ledger_transfer{TransferArguments}", transfer, origin);

    /// <summary>The same, with a row for a refusal.</summary>
    public static NpgsqlBatchCommand TryTransfer(LedgerTransfer transfer, Origin origin) =>
        Transfer($"select transfer, recorded_at, is_new, refusal, hint from mainstay.ledger_try_transfer{TransferArguments}", transfer, origin);

    /// <summary>Locks what several transfers will lock, in the one order.</summary>
    public static NpgsqlBatchCommand Lock(IEnumerable<LedgerTransfer> transfers)
    {
        var (holds, accounts) = (new SortedSet<Guid>(), new SortedSet<Guid>());
        foreach (var transfer in transfers)
        {
            if (transfer.Captures is { } hold)
                holds.Add(hold.Value);
            foreach (var entry in transfer.Entries)
                accounts.Add(entry.Account.Value);
        }
        return Command("select mainstay.ledger_lock($1, $2)", SqlValue.Plain<Guid[]>([.. holds]), SqlValue.Plain<Guid[]>([.. accounts]));
    }

    public static NpgsqlBatchCommand FindTransfer(Id<LedgerTransfer> id) => Command($"{TransferText} transfer.id = $1", SqlValue.Plain(id.Value));

    public static NpgsqlBatchCommand FindTransfer(string key) => Command($"{TransferText} transfer.key = $1", SqlValue.Text(key));

    public static NpgsqlBatchCommand Open(NewLedgerAccount account) => Command("select mainstay.ledger_open($1, $2, $3, $4, $5, $6)",
        SqlValue.Plain(account.Id.Value), SqlValue.Text(account.Code), SqlValue.Text(account.Currency), SqlValue.Plain((short)(account.Side == LedgerSide.Debit ? 1 : -1)), Bigint(account.Least), SqlValue.Plain(account.IsDeferred));

    public static NpgsqlBatchCommand Account(Id<LedgerAccount> id) => Command($"{AccountText} account.id = $1", SqlValue.Plain(id.Value));

    public static NpgsqlBatchCommand Account(string code) => Command($"{AccountText} account.code = $1", SqlValue.Text(code));

    public static NpgsqlBatchCommand Limit(Id<LedgerAccount> id, long? least) => Command("update mainstay.ledger_accounts set least = $2 where id = $1 returning id", SqlValue.Plain(id.Value), Bigint(least));

    /// <summary>Closing looks at what is left, so what is unfolded is folded before.</summary>
    public static NpgsqlBatchCommand Close(Id<LedgerAccount> id) => Command("update mainstay.ledger_accounts set closed_at = mainstay.now() where id = $1 and closed_at is null returning id", SqlValue.Plain(id.Value));

    public static NpgsqlBatchCommand Reopen(Id<LedgerAccount> id) => Command("update mainstay.ledger_accounts set closed_at = null where id = $1 and closed_at is not null returning id", SqlValue.Plain(id.Value));

    public static NpgsqlBatchCommand Hold(NewLedgerHold hold, Origin origin) => Command("select mainstay.ledger_hold($1, $2, $3, $4, $5, $6, $7)",
        SqlValue.Plain(hold.Id.Value), SqlValue.Plain(hold.Account.Value), SqlValue.Plain(hold.Amount), SqlValue.Parameter(hold.For, typeof(TimeSpan?)), SqlValue.Text(hold.Description), SqlValue.Text(hold.Reference), Json(OriginJson.Write(origin)));

    public static NpgsqlBatchCommand Release(Id<LedgerHold> hold) => Command("select mainstay.ledger_release($1)", SqlValue.Plain(hold.Value));

    public static NpgsqlBatchCommand FindHold(Id<LedgerHold> hold) => Command("""
        select id, account, amount, captured, case when expires_at <= mainstay.now() then 0 else amount - captured - released end, created_at, expires_at from mainstay.ledger_holds where id = $1
        """, SqlValue.Plain(hold.Value));

    public static NpgsqlBatchCommand BalanceAt(Id<LedgerAccount> id, DateTimeOffset at) =>
        Command("select mainstay.ledger_balance_at(id, $2) * sign from mainstay.ledger_accounts where id = $1", SqlValue.Plain(id.Value), Instant(at));

    /// <summary>One line more than asked for, which tells whether there is a next page.</summary>
    public static NpgsqlBatchCommand Statement(Id<LedgerAccount> id, LedgerStatement statement)
    {
        var isUp = statement.Order == LedgerOrder.OldestFirst;
        var (above, upTo) = isUp ? (statement.After ?? 0, long.MaxValue) : (0, (statement.After ?? long.MaxValue) - 1);
        return Command($"{StatementText} {(isUp ? "asc" : "desc")} limit $4",
            SqlValue.Plain(id.Value), Instant(statement.From), Instant(statement.To), SqlValue.Plain(statement.Size + 1), SqlValue.Plain(above), SqlValue.Plain(upTo));
    }

    /// <summary>Gives the next entries of a deferred account their numbers, at most <see cref="FoldMost"/>; gives how many, or no row for none. What somebody else is folding is left to him.</summary>
    public static NpgsqlBatchCommand Fold(Guid account) => Command("""
        with before as (
            select id, entries from mainstay.ledger_accounts where id = $1 and is_deferred and exists (select from mainstay.ledger_unfolded where account = $1) for no key update skip locked
        )
        update mainstay.ledger_accounts account set folded_at = mainstay.now() from before where account.id = before.id returning account.entries - before.entries
        """, SqlValue.Plain(account));

    /// <summary>The last entry of an account that has no number; null when all have.</summary>
    public static NpgsqlBatchCommand LastUnfolded(Guid account) => Command("select max(id) from mainstay.ledger_unfolded where account = $1", SqlValue.Plain(account));

    /// <summary>The same up to an entry, and waits for whoever is folding; gives no row when all have their numbers.</summary>
    public static NpgsqlBatchCommand FoldTo(Guid account, long last) => Command("""
        update mainstay.ledger_accounts set folded_at = mainstay.now()
        where id = (select id from mainstay.ledger_accounts where id = $1 and exists (select from mainstay.ledger_unfolded where account = $1 and id <= $2) for no key update)
        returning id
        """, SqlValue.Plain(account), SqlValue.Plain(last));

    /// <summary>Deferred accounts with something to fold.</summary>
    public static NpgsqlBatchCommand Deferred() => Command("select id from mainstay.ledger_accounts account where is_deferred and exists (select from mainstay.ledger_unfolded entry where entry.account = account.id)");

    public static NpgsqlBatchCommand Expire(int most) => Command("select mainstay.ledger_expire($1)", SqlValue.Plain(most));

    /// <summary>Declares a currency; gives the decimals that it has in the end.</summary>
    public static NpgsqlBatchCommand Declare(LedgerCurrency currency) => Command("""
        with added as (insert into mainstay.ledger_currencies (code, decimals) values ($1, $2) on conflict do nothing returning decimals)
        select decimals from added union all select decimals from mainstay.ledger_currencies where code = $1
        """, SqlValue.Text(currency.Code), SqlValue.Plain((short)currency.Decimals));

    private static NpgsqlBatchCommand Transfer(string text, LedgerTransfer transfer, Origin origin)
    {
        // Sorted here, or the function would do it.
        LedgerEntry[] entries = [.. transfer.Entries.OrderBy(entry => entry.Account)];
        return Command(text,
            SqlValue.Plain(transfer.Id.Value), SqlValue.Plain(Array.ConvertAll(entries, entry => entry.Account.Value)), SqlValue.Plain(Array.ConvertAll(entries, entry => entry.Amount)),
            SqlValue.Text(transfer.Key), Instant(transfer.EffectiveAt), SqlValue.Text(transfer.Description), SqlValue.Text(transfer.Reference),
            SqlValue.Parameter(transfer.Metadata, typeof(JsonElement?)), Uuid(transfer.Reverses?.Value), Uuid(transfer.Captures?.Value), SqlValue.Plain(transfer.Rest == LedgerRest.Released), Json(OriginJson.Write(origin)));
    }

    private static NpgsqlBatchCommand Command(string text, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlBatchCommand(text);
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        return command;
    }

    private static NpgsqlParameter Bigint(long? value) => SqlValue.Parameter(value, typeof(long?));

    private static NpgsqlParameter Uuid(Guid? value) => SqlValue.Parameter(value, typeof(Guid?));

    private static NpgsqlParameter Instant(DateTimeOffset? value) => SqlValue.Parameter(value, typeof(DateTimeOffset?));

    private static NpgsqlParameter<string> Json(string value) => new() { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Json };
}
