namespace Mainstay.Internal;

/// <summary>Something that must hold of the ledger in every moment. The statement gives the rows of which it does not: what names the row, and how it is.</summary>
/// <param name="Name">Stable, in kebab case.</param>
/// <param name="Expected">What must hold.</param>
/// <param name="NextStep">What to do when it does not.</param>
/// <param name="Sql">The statement.</param>
internal sealed record LedgerCheck(string Name, string Expected, string NextStep, string Sql)
{
    private const string Written = "The triggers of the ledger refuse what leads to this. Look for who has written with triggers disabled, correct it the same way, and report it with the rows if nobody has.";
    private const string NoService = "Start a node of an application that declares the ledger. If one runs, look for errors of the ledger in its log.";

    public static IReadOnlyList<LedgerCheck> All { get; } =
    [
        new("writers-are-on", "The triggers that write and protect the ledger are there and enabled.", "Enable it: alter table … enable trigger …. Then look at the other findings.", """
            select wanted.name, case when found.tgname is null then 'is missing' else 'is disabled on ' || found.tgrelid::regclass end
            from unnest(array['ledger_transfers_post', 'ledger_holds_created', 'ledger_holds_changed', 'ledger_accounts_opened', 'ledger_accounts_changed', 'ledger_accounts_fold', 'ledger_accounts_guard',
                'ledger_accounts_refuse', 'ledger_dated_guard', 'ledger_dated_refuse', 'ledger_entries_guard', 'ledger_entries_refuse', 'ledger_unfolded_guard', 'ledger_unfolded_refuse', 'ledger_transfers_refuse', 'ledger_holds_refuse',
                'ledger_currencies_refuse']) as wanted (name)
            left join pg_trigger found on found.tgname = wanted.name and found.tgrelid in (select oid from pg_class where relnamespace = 'mainstay'::regnamespace)
            where found.tgname is null or found.tgenabled not in ('O', 'A')
            """),
        new("keys-are-unique", "A transfer is recorded once: the indexes that see to it are there, and no two transfers have one key.", "Create the index again as the schema has it, unique. Reverse what was recorded twice.", """
            select wanted.name, case when found.indexrelid is null then 'is missing' else 'is not unique, or not valid' end
            from unnest(array['ledger_transfers_pkey', 'ledger_transfers_key_idx', 'ledger_transfers_reverses_idx', 'ledger_accounts_pkey', 'ledger_accounts_code_key', 'ledger_holds_pkey', 'ledger_entries_pkey']) as wanted (name)
            left join pg_index found on found.indexrelid = to_regclass('mainstay.' || wanted.name)
            where found.indexrelid is null or not found.indisunique or not found.indisvalid
            union all
            select min(id::text), format('has the key of %s other transfers', count(*) - 1) from mainstay.ledger_transfers where key is not null group by key having count(*) > 1
            """),
        new("balance-of-entries", "The balance of an account is the sum of its entries, and it knows how many they are.", Written, """
            select coalesce(account.id, entries.account)::text, case when account.id is null then format('has %s entries and is no account', entries.count)
                else format('has the balance %s with %s entries, and its %s entries sum to %s', account.balance, account.entries, coalesce(entries.count, 0), coalesce(entries.total, 0)) end
            from mainstay.ledger_accounts account
            full join (select account, count(*) as count, sum(amount) as total from mainstay.ledger_entries group by account) entries on entries.account = account.id
            where account.id is null or account.balance <> coalesce(entries.total, 0) or account.entries <> coalesce(entries.count, 0)
            """),
        new("numbers-without-gaps", "The entries of an account are numbered from 1 without gaps, and their times do not go back.", Written, """
            select account || ' ' || seq, format('comes after %s of %s, at %s', coalesce(seq_before, 0), at_before, at)
            from (select account, seq, at, lag(seq) over one as seq_before, lag(at) over one as at_before from mainstay.ledger_entries window one as (partition by account order by seq)) entry
            where seq <> coalesce(seq_before, 0) + 1 or at < at_before
            """),
        new("running-balance", "The balance behind an entry is the one before it and its amount.", Written, """
            select account || ' ' || seq, format('has the balance %s after %s and %s', balance, coalesce(balance_before, 0), amount)
            from (select account, seq, amount, balance, lag(balance) over (partition by account order by seq) as balance_before from mainstay.ledger_entries) entry
            where balance <> coalesce(balance_before, 0) + amount
            """),
        new("transfer-sums-to-zero", "The entries of a transfer sum to zero in each currency.", Written, """
            select transfer.id::text, case when account.currency is null then 'has an entry of no account' else format('sums to %s %s', sum(entry.amount), account.currency) end
            from mainstay.ledger_transfers transfer cross join unnest(transfer.accounts, transfer.amounts) as entry (account, amount) left join mainstay.ledger_accounts account on account.id = entry.account
            group by transfer.id, account.currency having sum(entry.amount) <> 0 or account.currency is null
            """),
        new("entries-of-transfer", "Each account has the entries that a transfer says, and no others.", Written, """
            select coalesce(said.transfer, written.transfer)::text, format('says %s entries with %s of account %s, which has %s with %s', coalesce(said.count, 0), coalesce(said.total, 0),
                coalesce(said.account, written.account), coalesce(written.count, 0), coalesce(written.total, 0))
            from (
                select transfer.id as transfer, entry.account, count(*) as count, sum(entry.amount) as total
                from mainstay.ledger_transfers transfer cross join unnest(transfer.accounts, transfer.amounts) as entry (account, amount) group by transfer.id, entry.account
            ) said full join (
                select transfer, account, count(*) as count, sum(amount) as total
                from (select transfer, account, amount from mainstay.ledger_entries union all select transfer, account, amount from mainstay.ledger_unfolded) entry group by transfer, account
            ) written on written.transfer = said.transfer and written.account = said.account
            where said.count is distinct from written.count or said.total is distinct from written.total
            """),
        new("time-of-transfer", "An entry counts when its transfer says.", Written, """
            select transfer.id::text, format('counts at %s, and its entry of account %s at %s', coalesce(transfer.effective_at, transfer.at), entry.account, coalesce(entry.effective_at, entry.at))
            from mainstay.ledger_transfers transfer
            join (select transfer, account, at, effective_at from mainstay.ledger_entries union all select transfer, account, at, effective_at from mainstay.ledger_unfolded) entry on entry.transfer = transfer.id
            where coalesce(entry.effective_at, entry.at) <> coalesce(transfer.effective_at, transfer.at)
            """),
        new("dated-of-entries", "What counts at another time than it was recorded is listed, for balances as of a time.", Written, """
            select coalesce(entry.account, dated.account) || ' ' || coalesce(entry.seq, dated.seq), format('has %s at %s, and is listed with %s at %s', entry.amount, entry.effective_at, dated.amount, dated.effective_at)
            from (select * from mainstay.ledger_entries where effective_at is not null) entry
            full join mainstay.ledger_dated dated on dated.account = entry.account and dated.seq = entry.seq
            where (entry.amount, entry.at, entry.effective_at) is distinct from (dated.amount, dated.at, dated.effective_at)
            """),
        new("currency-sums-to-zero", "All accounts of a currency together have nothing.", Written, """
            select account.currency, 'sums to ' || sum(account.balance + coalesce(unfolded.total, 0))
            from mainstay.ledger_accounts account left join (select account, sum(amount) as total from mainstay.ledger_unfolded group by account) unfolded on unfolded.account = account.id
            group by account.currency having sum(account.balance + coalesce(unfolded.total, 0)) <> 0
            """),
        new("held-of-holds", "What is held on an account is what is open of its holds.", Written, """
            select account.id::text, format('has %s held, and %s open', account.held, coalesce(holds.open, 0))
            from mainstay.ledger_accounts account
            left join (select account, sum(amount - captured - released) as open from mainstay.ledger_holds where captured + released < amount group by account) holds on holds.account = account.id
            where account.held <> coalesce(holds.open, 0)
            """),
        new("captured-of-hold", "What is captured of a hold is what transfers took of its account, and not more than was held.", Written, """
            select hold.id::text, format('has %s of %s captured and %s released, and transfers took %s', hold.captured, hold.amount, hold.released, coalesce(taken.total, 0))
            from mainstay.ledger_holds hold
            left join (
                select captured.id, sum(-entry.amount * account.sign) as total
                from mainstay.ledger_transfers transfer join mainstay.ledger_holds captured on captured.id = transfer.hold join mainstay.ledger_accounts account on account.id = captured.account
                cross join unnest(transfer.accounts, transfer.amounts) as entry (account, amount)
                where entry.account = captured.account group by captured.id
            ) taken on taken.id = hold.id
            where hold.captured <> coalesce(taken.total, 0) or hold.captured < 0 or hold.released < 0 or hold.captured + hold.released > hold.amount
            """),
        new("limit-of-account", "What is left of an account, without what is held, is not less than its limit.", Written, """
            select id::text, format('has %s, of which %s is held, and its limit is %s', balance * sign, held, least) from mainstay.ledger_accounts where balance * sign - held < least
            """),
        new("closed-is-empty", "There is nothing on a closed account, and nothing is held.", Written, """
            select id::text, format('has %s and is closed', balance * sign) from mainstay.ledger_accounts account
            where closed_at is not null and (balance <> 0 or held <> 0 or exists (select from mainstay.ledger_unfolded entry where entry.account = account.id))
            """),
        new("reversal-of-transfer", "A reversal has the opposite entries of the transfer that it takes back, and a transfer has one reversal.", Written, """
            select reversal.id::text, coalesce('does not take back ' || original.id, 'takes back a transfer that is not there')
            from mainstay.ledger_transfers reversal left join mainstay.ledger_transfers original on original.id = reversal.reverses
            where reversal.reverses is not null and (original.id is null or original.accounts <> reversal.accounts
                or original.amounts <> array(select -amount from unnest(reversal.amounts) with ordinality as entry (amount, number) order by number))
            union all
            select reverses::text, format('has %s reversals', count(*)) from mainstay.ledger_transfers where reverses is not null group by reverses having count(*) > 1
            """),
        new("unfolded-is-deferred", "Only entries of deferred accounts wait for a number.", Written, """
            select entry.account::text, format('has %s entries without a number, and is not deferred', count(*))
            from mainstay.ledger_unfolded entry left join mainstay.ledger_accounts account on account.id = entry.account
            where account.is_deferred is not true group by entry.account
            """),
        new("unfolded-is-folded", "Entries of deferred accounts are given their numbers soon.", NoService, """
            select account::text, format('has %s entries without a number, since %s', count(*), min(at)) from mainstay.ledger_unfolded group by account having min(at) < mainstay.now() - interval '10 minutes'
            """),
        new("expired-is-released", "Holds that have expired are released soon.", NoService, """
            select id::text, 'has expired at ' || expires_at from mainstay.ledger_holds where captured + released < amount and expires_at < mainstay.now() - interval '10 minutes'
            """),
    ];
}
