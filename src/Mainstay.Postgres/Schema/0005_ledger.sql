-- Ledger: double-entry accounting. docs/guide/ledger.md says what it promises, docs/decisions/ledger.md why it is built like this.
--
-- What anybody inserts is a transfer or a hold. Entries and balances follow from it within the same statement, by triggers: what any other
-- statement writes to them is refused, whoever runs it. What a trigger of the application writes to them is not, because the guards look at the depth; the checker finds it.
--
--   insert transfer ──▶ ledger_post ──┬──▶ account: balance, and its next number      (the row is locked until the commit)
--                                     │         └──▶ entry: number, amount, balance behind it
--                                     └──▶ deferred account: unfolded ──▶ ledger_fold, later, many at once ──▶ account and entries
--   insert hold     ──▶ account: held         capture: a transfer that names the hold       release: update of the hold
--
-- Locks are taken in one order: holds, then accounts by id.

-- What is counted. An amount of 1234 in a currency of 2 decimals is 12.34, so decimals never change.
create table mainstay.ledger_currencies (
    code text collate "C" not null primary key,
    decimals smallint not null constraint ledger_currencies_decimals_check check (decimals between 0 and 18)
);

-- Without check constraints: PostgreSQL prepares them anew for every update. Triggers look at what is opened and changed.
create table mainstay.ledger_accounts (
    id uuid not null primary key,
    code text collate "C" not null constraint ledger_accounts_code_key unique,
    currency text collate "C" not null references mainstay.ledger_currencies,
    -- 1: debits increase it (assets, expenses); -1: credits do (liabilities, income, equity).
    sign smallint not null,
    -- What must be left of it, in its own direction, of what is not held: 0 it must not go negative, -100 it has a credit of 100, null it may be anything.
    least bigint,
    -- Its balance is folded later, so that transfers do not wait for each other.
    is_deferred boolean not null default false,
    opened_at timestamptz not null default mainstay.now(),
    closed_at timestamptz,
    -- Written to fold: update mainstay.ledger_accounts set folded_at = mainstay.now() where id = …
    folded_at timestamptz,
    -- By triggers alone, from here on. Debits are positive, whatever its direction.
    balance bigint not null default 0,
    -- In its own direction.
    held bigint not null default 0,
    -- How many entries it has, which is the number of the last one.
    entries bigint not null default 0,
    last_at timestamptz not null default '-infinity'
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
create index ledger_accounts_deferred_idx on mainstay.ledger_accounts (id) where is_deferred;

-- Amounts that are set aside on an account. What is open of one is amount - captured - released.
create table mainstay.ledger_holds (
    id uuid not null primary key,
    account uuid not null,
    amount bigint not null constraint ledger_holds_amount_check check (amount > 0 and amount < 1000000000000000000),
    captured bigint not null default 0,
    released bigint not null default 0,
    -- What the account no longer holds of it. By triggers alone.
    settled bigint not null default 0,
    created_at timestamptz not null default mainstay.now(),
    expires_at timestamptz,
    description text,
    reference text,
    origin json,
    constraint ledger_holds_open_check check (captured >= 0 and released >= 0 and captured + released <= amount and settled = captured + released)
);
create index ledger_holds_account_idx on mainstay.ledger_holds (account, expires_at) where captured + released < amount;
create index ledger_holds_expires_at_idx on mainstay.ledger_holds (expires_at) where captured + released < amount and expires_at is not null;

create table mainstay.ledger_transfers (
    id uuid not null primary key,
    -- What the caller knows it by, if not by its id.
    key text collate "C",
    -- The entries: accounts in ascending order, and what is moved on each; debits are positive. Amounts have at most 18 digits, so that it takes several to leave the range of a balance.
    accounts uuid[] not null,
    amounts bigint[] not null,
    at timestamptz not null default mainstay.now(),
    -- When it counts, if not when it was recorded.
    effective_at timestamptz,
    description text,
    reference text,
    metadata jsonb,
    -- The transfer that this one takes back.
    reverses uuid,
    -- The hold that this one captures, and whether what is left of it is released.
    hold uuid,
    releases_rest boolean not null default true,
    -- What caused it: operation, actor, request, trace, causation, correlation.
    origin json,
    constraint ledger_transfers_entries_check check (
        cardinality(accounts) between 2 and 1000 and cardinality(amounts) = cardinality(accounts) and 0 <> all(amounts) and array_position(accounts, null) is null and array_position(amounts, null) is null
        and 1000000000000000000 > all(amounts) and -1000000000000000000 < all(amounts))
);
create unique index ledger_transfers_key_idx on mainstay.ledger_transfers (key) where key is not null;
create unique index ledger_transfers_reverses_idx on mainstay.ledger_transfers (reverses) where reverses is not null;
create index ledger_transfers_hold_idx on mainstay.ledger_transfers (hold) where hold is not null;

-- The entries of an account, numbered without gaps, each with the balance behind it. Their times never go back, so that a time is found by bisection, without an index.
create table mainstay.ledger_entries (
    account uuid not null,
    seq bigint not null,
    transfer uuid not null,
    amount bigint not null,
    balance bigint not null,
    at timestamptz not null,
    -- When it counts, if not at that time.
    effective_at timestamptz,
    constraint ledger_entries_pkey primary key (account, seq)
);

-- Those that count at another time than they were recorded, for balances as of a time. A partial index would cost every entry something.
create table mainstay.ledger_dated (
    account uuid not null,
    seq bigint not null,
    amount bigint not null,
    at timestamptz not null,
    effective_at timestamptz not null,
    constraint ledger_dated_pkey primary key (account, effective_at, seq)
);
create index ledger_dated_at_idx on mainstay.ledger_dated (account, at);

-- Entries of deferred accounts that have no number yet. They count all the same.
create table mainstay.ledger_unfolded (
    id bigint not null generated always as identity,
    account uuid not null,
    transfer uuid not null,
    amount bigint not null,
    at timestamptz not null,
    effective_at timestamptz,
    constraint ledger_unfolded_pkey primary key (account, id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- What nobody may do.
create function mainstay.ledger_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'The ledger keeps its history: % of % is refused.', lower(tg_op), tg_table_name
        using errcode = 'MS107', hint = 'Correct a transfer by another one that reverses it.';
end $$;

-- What triggers alone may do: by accident nobody else does it. As a trigger of statements it costs next to nothing; one of rows would also lock each of them before it is changed.
create function mainstay.ledger_guard() returns trigger language plpgsql as $$
begin
    if pg_trigger_depth() < 2 then
        raise exception 'Entries and balances are written by the ledger alone: % of % is refused.', lower(tg_op), tg_table_name
            using errcode = 'MS107', hint = 'Insert into mainstay.ledger_transfers or mainstay.ledger_holds, or call mainstay.ledger_transfer(…).';
    end if;
    return null;
end $$;

create trigger ledger_entries_guard before insert on mainstay.ledger_entries for each statement execute function mainstay.ledger_guard();
create trigger ledger_entries_refuse before update or delete or truncate on mainstay.ledger_entries for each statement execute function mainstay.ledger_refuse();
create trigger ledger_dated_guard before insert on mainstay.ledger_dated for each statement execute function mainstay.ledger_guard();
create trigger ledger_dated_refuse before update or delete or truncate on mainstay.ledger_dated for each statement execute function mainstay.ledger_refuse();
create trigger ledger_unfolded_guard before insert or delete on mainstay.ledger_unfolded for each statement execute function mainstay.ledger_guard();
create trigger ledger_unfolded_refuse before update or truncate on mainstay.ledger_unfolded for each statement execute function mainstay.ledger_refuse();
create trigger ledger_transfers_refuse before update or delete or truncate on mainstay.ledger_transfers for each statement execute function mainstay.ledger_refuse();
create trigger ledger_holds_refuse before delete or truncate on mainstay.ledger_holds for each statement execute function mainstay.ledger_refuse();
create trigger ledger_accounts_refuse before delete or truncate or update of id, currency, sign, is_deferred, opened_at on mainstay.ledger_accounts for each statement execute function mainstay.ledger_refuse();
create trigger ledger_accounts_guard before update of balance, held, entries, last_at on mainstay.ledger_accounts for each statement execute function mainstay.ledger_guard();
create trigger ledger_currencies_refuse before update or delete or truncate on mainstay.ledger_currencies for each statement execute function mainstay.ledger_refuse();

-- Releases holds of an account that have expired, and gives how much was held by them; the caller, who has locked the account, takes that off what it holds. A hold that somebody is at stays.
create function mainstay.ledger_expire_held(of_account uuid) returns bigint language sql as $$
    with due as (
        select hold.id, hold.amount - hold.captured - hold.released as open from mainstay.ledger_holds hold
        where hold.account = of_account and hold.captured + hold.released < hold.amount and hold.expires_at <= mainstay.now()
        for no key update skip locked
    ), released as (
        update mainstay.ledger_holds hold set released = hold.amount - hold.captured, settled = hold.amount from due where hold.id = due.id returning due.open
    )
    select coalesce(sum(open), 0)::bigint from released
$$;

create function mainstay.ledger_refuse_funds(of_account uuid) returns void language plpgsql as $$
begin
    raise exception 'An account has not enough available.' using errcode = 'MS101', hint = of_account;
end $$;

-- Aborts a transaction that leaves less on an account than must be left, unless what was held and has expired makes up for it.
create function mainstay.ledger_demand_funds(of_account uuid, remaining bigint, demanded bigint) returns void language plpgsql as $$
declare
    freed constant bigint := mainstay.ledger_expire_held(of_account);
begin
    if remaining + freed < demanded then
        perform mainstay.ledger_refuse_funds(of_account);
    end if;
    update mainstay.ledger_accounts account set held = account.held - freed where account.id = of_account;
end $$;

-- Writes what a transfer says. Each account is locked and changed by one statement, in the order of ids.
create function mainstay.ledger_post() returns trigger language plpgsql as $$
declare
    target record;
    hold record;
    -- Of a hold: what this transfer takes of it, and how much less is held then.
    hold_account uuid;
    taken numeric;
    freed bigint;
    total bigint := 0;
    only_currency text;
    is_mixed boolean;
begin
    if new.at <> mainstay.now() or new.reverses is not null or new.hold is not null then
        if new.at <> mainstay.now() then
            raise exception 'A transfer is recorded at %, expected the present.', new.at using errcode = 'MS103', hint = 'Leave out at; say when it counts with effective_at.';
        end if;
        if new.reverses is not null and not exists (
            select from mainstay.ledger_transfers original where original.id = new.reverses and original.accounts = new.accounts
                and original.amounts = array(select -amount from unnest(new.amounts) with ordinality as entry (amount, number) order by number)) then
            raise exception 'A reversal has other entries than the transfer that it takes back, or there is no such transfer.' using errcode = 'MS104', hint = new.reverses;
        end if;
        if new.hold is not null then
            select known.account, known.amount - known.captured - known.released as open, known.expires_at, owner.sign into hold
            from mainstay.ledger_holds known join mainstay.ledger_accounts owner on owner.id = known.account where known.id = new.hold for no key update of known;
            if not found then
                raise exception 'There is no such hold.' using errcode = 'MS104', hint = new.hold;
            end if;
            if hold.open = 0 or hold.expires_at <= mainstay.now() then
                raise exception 'The hold has ended.' using errcode = 'MS105', hint = new.hold;
            end if;
            hold_account := hold.account;
            select coalesce(sum(-entry.amount * hold.sign), 0) into taken from unnest(new.accounts, new.amounts) as entry (account, amount) where entry.account = hold_account;
            if taken <= 0 or taken > hold.open then
                raise exception 'The transfer takes more from the account than is held, or nothing.' using errcode = 'MS110', hint = new.hold;
            end if;
            freed := case when new.releases_rest then hold.open else taken end;
        end if;
    end if;
    for i in 1 .. cardinality(new.accounts) loop
        if i > 1 and new.accounts[i] < new.accounts[i - 1] then
            raise exception 'The accounts of a transfer are not in ascending order.' using errcode = 'MS103', hint = 'Sort them, so that all transfers lock in one order, or call mainstay.ledger_transfer(…), which does.';
        end if;
        update mainstay.ledger_accounts account
        set balance = account.balance + new.amounts[i], entries = account.entries + 1, last_at = greatest(account.last_at, new.at),
            held = account.held - case when account.id = hold_account then freed else 0 end
        where account.id = new.accounts[i] and not account.is_deferred
        returning account.currency, account.closed_at, account.balance, account.entries, account.last_at, account.balance * account.sign - account.held as remaining, account.least,
            nullif(coalesce(new.effective_at, new.at), account.last_at) as effective_at into target;
        if found then
            insert into mainstay.ledger_entries (account, seq, transfer, amount, balance, at, effective_at)
            values (new.accounts[i], target.entries, new.id, new.amounts[i], target.balance, target.last_at, target.effective_at);
            if target.remaining < target.least or target.effective_at is not null or hold_account is not null then
                -- Of several entries of one account the last decides.
                if target.remaining < target.least and new.accounts[i + 1] is distinct from new.accounts[i] then
                    perform mainstay.ledger_demand_funds(new.accounts[i], target.remaining, target.least);
                end if;
                if target.effective_at is not null then
                    insert into mainstay.ledger_dated (account, seq, amount, at, effective_at) values (new.accounts[i], target.entries, new.amounts[i], target.last_at, target.effective_at);
                end if;
                if new.accounts[i] = hold_account then
                    freed := 0;
                end if;
            end if;
        else
            -- Against closing, which waits until this is committed. Transfers do not wait for each other.
            perform pg_advisory_xact_lock_shared(uuid_hash_extended(new.accounts[i], 5));
            if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
                -- Its view may be older than what closed the account. Then the lock is refused, and the transaction has to be run again.
                perform from mainstay.ledger_accounts account where account.id = new.accounts[i] for share;
            end if;
            -- An account that was opened since the update above has looked is seen here and need not be deferred.
            select account.currency, account.closed_at, account.balance into target from mainstay.ledger_accounts account where account.id = new.accounts[i] and account.is_deferred;
            if not found then
                raise exception 'There is no such account.' using errcode = 'MS104', hint = new.accounts[i];
            end if;
            -- Half of the range is left to what is not folded yet: a balance that could not be folded would stay as it is.
            if new.amounts[i] > 0 and target.balance > 4611686018427387904 or new.amounts[i] < 0 and target.balance < -4611686018427387904 then
                raise exception 'The balance of an account would be too large.' using errcode = '22003', hint = new.accounts[i];
            end if;
            insert into mainstay.ledger_unfolded (account, transfer, amount, at, effective_at) values (new.accounts[i], new.id, new.amounts[i], new.at, new.effective_at);
        end if;
        if target.closed_at is not null then
            raise exception 'The account is closed.' using errcode = 'MS102', hint = new.accounts[i];
        end if;
        if target.currency is distinct from only_currency then
            is_mixed := only_currency is not null;
            only_currency := target.currency;
        end if;
        total := total + new.amounts[i];
    end loop;
    if total <> 0 or is_mixed then
        if not is_mixed or exists (
                select from unnest(new.accounts, new.amounts) as entry (account, amount) join mainstay.ledger_accounts account on account.id = entry.account
                group by account.currency having sum(entry.amount) <> 0) then
            raise exception 'The entries of the transfer do not sum to zero in each currency.' using errcode = 'MS103';
        end if;
    end if;
    if hold_account is not null then
        update mainstay.ledger_holds known set captured = known.captured + taken,
            released = case when new.releases_rest then known.amount - known.captured - taken else known.released end,
            settled = case when new.releases_rest then known.amount else known.settled + taken end
        where known.id = new.hold;
    end if;
    return null;
end $$;
create trigger ledger_transfers_post after insert on mainstay.ledger_transfers for each row execute function mainstay.ledger_post();

-- Sets aside what a hold says.
create function mainstay.ledger_hold_created() returns trigger language plpgsql as $$
declare
    target record;
begin
    if new.captured <> 0 or new.released <> 0 then
        raise exception 'A hold begins with nothing captured and nothing released.' using errcode = 'MS103';
    end if;
    update mainstay.ledger_accounts account set held = account.held + new.amount where account.id = new.account and not account.is_deferred
    returning account.sign, account.least, account.closed_at, account.balance, account.held into target;
    if not found then
        raise exception 'There is no such account, or its balance is folded later, so that nothing can be held on it.' using errcode = 'MS104', hint = new.account;
    end if;
    if target.closed_at is not null then
        raise exception 'The account is closed.' using errcode = 'MS102', hint = new.account;
    end if;
    if target.balance * target.sign - target.held < target.least then
        perform mainstay.ledger_demand_funds(new.account, target.balance * target.sign - target.held, target.least);
    end if;
    return null;
end $$;
create trigger ledger_holds_created after insert on mainstay.ledger_holds for each row execute function mainstay.ledger_hold_created();

-- From outside, a hold can only be released: set released = amount - captured. The ledger itself takes what it settles off the account; whatever else releases, within a trigger or not, gets that done here.
create function mainstay.ledger_hold_changed() returns trigger language plpgsql as $$
begin
    if new.settled <> old.settled and pg_trigger_depth() > 1 then
        return new;
    end if;
    if (new.id, new.account, new.amount, new.captured, new.settled, new.created_at) is distinct from (old.id, old.account, old.amount, old.captured, old.settled, old.created_at)
        or new.released <> new.amount - new.captured or new.expires_at is distinct from old.expires_at then
        raise exception 'A hold can only be released: set released = amount - captured.' using errcode = 'MS107', hint = 'Capture it by a transfer that names it.';
    end if;
    if old.captured + old.released = old.amount then
        raise exception 'The hold has ended.' using errcode = 'MS105', hint = new.id;
    end if;
    new.settled := new.amount;
    update mainstay.ledger_accounts target set held = target.held - (new.settled - old.settled) where target.id = new.account;
    return new;
end $$;
create trigger ledger_holds_changed before update on mainstay.ledger_holds for each row execute function mainstay.ledger_hold_changed();

-- An account begins with nothing.
create function mainstay.ledger_account_opened() returns trigger language plpgsql as $$
begin
    if new.sign not in (1, -1) or (new.is_deferred and new.least is not null) then
        raise exception 'An account is increased by debits (1) or by credits (-1), and has no limit when it is deferred.' using errcode = 'MS107', hint = new.id;
    end if;
    if (new.balance, new.held, new.entries, new.last_at) is distinct from (0::bigint, 0::bigint, 0::bigint, '-infinity'::timestamptz) or new.least > 0 then
        raise exception 'An account begins with nothing, and nothing can be left of that.' using errcode = 'MS107', hint = 'Bring in its balance by a transfer.';
    end if;
    return null;
end $$;
create trigger ledger_accounts_opened after insert on mainstay.ledger_accounts for each row execute function mainstay.ledger_account_opened();

-- An account is closed when nothing is on it, and its limit is one that it keeps.
create function mainstay.ledger_account_changed() returns trigger language plpgsql as $$
begin
    if new.held > 0 then
        new.held := new.held - mainstay.ledger_expire_held(new.id);
    end if;
    if old.closed_at is null and new.closed_at is not null then
        if new.is_deferred then
            if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
                raise exception 'A deferred account is closed in read committed: an older view does not show what has come to it since.' using errcode = 'MS107', hint = 'Close it in a transaction of its own.';
            end if;
            perform pg_advisory_xact_lock(uuid_hash_extended(new.id, 5));
        end if;
        if new.balance <> 0 or new.held <> 0 or exists (select from mainstay.ledger_unfolded where account = new.id) then
            raise exception 'There is something on the account, or held.' using errcode = 'MS108', hint = new.id;
        end if;
    end if;
    if new.is_deferred and new.least is not null then
        raise exception 'A deferred account has no limit.' using errcode = 'MS107', hint = new.id;
    end if;
    if new.balance * new.sign - new.held < new.least then
        perform mainstay.ledger_refuse_funds(new.id);
    end if;
    return new;
end $$;
create trigger ledger_accounts_changed before update of closed_at, least on mainstay.ledger_accounts for each row execute function mainstay.ledger_account_changed();

-- Gives the next of the unfolded entries of an account their numbers and balances, in the order of their times. The row of the account is locked by the update that asks for it.
create function mainstay.ledger_fold() returns trigger language plpgsql as $$
declare
    folded record;
begin
    with moved as (
        delete from mainstay.ledger_unfolded entry
        where entry.account = new.id and entry.id = any(array(select next.id from mainstay.ledger_unfolded next where next.account = new.id order by next.id limit 5000))
        returning entry.id, entry.transfer, entry.amount, entry.at, entry.effective_at
    ), placed as (
        select moved.*, row_number() over following as number, sum(amount) over following as total, greatest(new.last_at, max(at) over following) as placed_at
        from moved window following as (order by at, id)
    ), written as (
        insert into mainstay.ledger_entries (account, seq, transfer, amount, balance, at, effective_at)
        select new.id, new.entries + number, transfer, amount, new.balance + total, placed_at, nullif(coalesce(effective_at, at), placed_at) from placed
    ), dated as (
        insert into mainstay.ledger_dated (account, seq, amount, at, effective_at)
        select new.id, new.entries + number, amount, placed_at, coalesce(effective_at, at) from placed where coalesce(effective_at, at) <> placed_at
    )
    select count(*) as count, sum(amount) as total, max(placed_at) as last_at into folded from placed;
    if folded.count = 0 then
        return null;
    end if;
    new.entries := new.entries + folded.count;
    new.balance := new.balance + folded.total;
    new.last_at := folded.last_at;
    return new;
end $$;
create trigger ledger_accounts_fold before update of folded_at on mainstay.ledger_accounts for each row execute function mainstay.ledger_fold();

-- Records a transfer, once: with the id or the key of one that there is, it gives that one if its content is the same, and is refused if not. From SQL:
-- select * from mainstay.ledger_transfer(gen_random_uuid(), array[debited, credited], array[100, -100]).
create function mainstay.ledger_transfer(new_id uuid, new_accounts uuid[], new_amounts bigint[], new_key text default null, new_effective_at timestamptz default null, new_description text default null,
    new_reference text default null, new_metadata jsonb default null, new_reverses uuid default null, new_hold uuid default null, new_releases_rest boolean default true, new_origin json default null,
    out transfer uuid, out recorded_at timestamptz, out is_new boolean) language plpgsql as $$
declare
    known mainstay.ledger_transfers;
begin
    if cardinality(new_accounts) > 1 and new_accounts[1] > new_accounts[2] or cardinality(new_accounts) > 2 then
        select array_agg(entry.account order by entry.account, entry.number), array_agg(entry.amount order by entry.account, entry.number) into new_accounts, new_amounts
        from unnest(new_accounts, new_amounts) with ordinality as entry (account, amount, number);
    end if;
    insert into mainstay.ledger_transfers (id, key, accounts, amounts, effective_at, description, reference, metadata, reverses, hold, releases_rest, origin)
    values (new_id, new_key, new_accounts, new_amounts, new_effective_at, new_description, new_reference, new_metadata, new_reverses, new_hold, new_releases_rest, new_origin)
    on conflict do nothing;
    if found then
        transfer := new_id;
        recorded_at := mainstay.now();
        is_new := true;
        return;
    end if;
    -- Whoever was at the same one has committed by now, and this statement sees it.
    select * into known from mainstay.ledger_transfers first where first.id = new_id;
    if not found then
        select * into known from mainstay.ledger_transfers first where first.key = new_key;
    end if;
    if not found then
        select * into known from mainstay.ledger_transfers first where first.reverses = new_reverses;
        raise exception 'The transfer has been reversed.' using errcode = 'MS109', hint = known.id;
    end if;
    if (known.key, known.accounts, known.amounts, known.effective_at, known.description, known.reference, known.metadata, known.reverses, known.hold, known.releases_rest)
        is distinct from (new_key, new_accounts, new_amounts, new_effective_at, new_description, new_reference, new_metadata, new_reverses, new_hold, new_releases_rest) then
        raise exception 'The id or the key belongs to a transfer with another content.' using errcode = 'MS106', hint = known.id;
    end if;
    transfer := known.id;
    recorded_at := known.at;
    is_new := false;
end $$;

-- The same, and a refusal is a row, so that what else the transaction records is not lost with it.
create function mainstay.ledger_try_transfer(new_id uuid, new_accounts uuid[], new_amounts bigint[], new_key text, new_effective_at timestamptz, new_description text,
    new_reference text, new_metadata jsonb, new_reverses uuid, new_hold uuid, new_releases_rest boolean, new_origin json,
    out transfer uuid, out recorded_at timestamptz, out is_new boolean, out refusal text, out hint text) language plpgsql as $$
begin
    select posted.transfer, posted.recorded_at, posted.is_new into transfer, recorded_at, is_new
        from mainstay.ledger_transfer(new_id, new_accounts, new_amounts, new_key, new_effective_at, new_description, new_reference, new_metadata, new_reverses, new_hold, new_releases_rest, new_origin) posted;
exception when others then
    if sqlstate not like 'MS1__' and sqlstate <> '22003' then
        raise;
    end if;
    get stacked diagnostics hint = pg_exception_hint;
    refusal := sqlstate;
end $$;

-- Opens an account, once: with the code or the id of one that there is, it gives that one if it is of the same kind, and is refused if not. Its limit may have been changed since.
create function mainstay.ledger_open(new_id uuid, new_code text, new_currency text, new_sign smallint, new_least bigint, new_is_deferred boolean) returns uuid language plpgsql as $$
declare
    known mainstay.ledger_accounts;
begin
    if not exists (select from mainstay.ledger_currencies where code = new_currency) then
        raise exception 'There is no such currency.' using errcode = 'MS104', hint = new_currency;
    end if;
    insert into mainstay.ledger_accounts (id, code, currency, sign, least, is_deferred) values (new_id, new_code, new_currency, new_sign, new_least, new_is_deferred) on conflict do nothing;
    if found then
        return new_id;
    end if;
    select * into known from mainstay.ledger_accounts account where account.code = new_code or account.id = new_id order by account.code = new_code desc limit 1;
    if (known.code, known.currency, known.sign, known.is_deferred) is distinct from (new_code, new_currency, new_sign, new_is_deferred) then
        raise exception 'The code or the id belongs to another account.' using errcode = 'MS106', hint = known.id;
    end if;
    return known.id;
end $$;

-- Sets an amount aside, once: with the id of a hold that there is, nothing happens if it is the same, and it is refused if not. For a number of seconds: a day has 24 hours, whatever the time zone of the session does.
create function mainstay.ledger_hold(new_id uuid, new_account uuid, new_amount bigint, new_for interval default null, new_description text default null, new_reference text default null,
    new_origin json default null) returns void language plpgsql as $$
declare
    known mainstay.ledger_holds;
begin
    insert into mainstay.ledger_holds (id, account, amount, expires_at, description, reference, origin)
    values (new_id, new_account, new_amount, mainstay.now() + make_interval(secs => extract(epoch from new_for)::double precision), new_description, new_reference, new_origin) on conflict do nothing;
    if found then
        return;
    end if;
    select * into known from mainstay.ledger_holds hold where hold.id = new_id;
    if (known.account, known.amount, known.expires_at - known.created_at, known.description, known.reference) is distinct from (new_account, new_amount, new_for, new_description, new_reference) then
        raise exception 'The id belongs to another hold.' using errcode = 'MS106', hint = known.id;
    end if;
end $$;

-- Releases what is open of a hold. One that has ended stays as it is.
create function mainstay.ledger_release(of_hold uuid) returns void language plpgsql as $$
begin
    perform from mainstay.ledger_holds hold where hold.id = of_hold for no key update;
    if not found then
        raise exception 'There is no such hold.' using errcode = 'MS104', hint = of_hold;
    end if;
    update mainstay.ledger_holds hold set released = hold.amount - hold.captured where hold.id = of_hold and hold.captured + hold.released < hold.amount;
end $$;

-- Locks what several transfers of one transaction will lock, in the one order.
create function mainstay.ledger_lock(holds uuid[], accounts uuid[]) returns void language plpgsql as $$
begin
    if cardinality(holds) > 0 then
        perform from mainstay.ledger_holds known where known.id = any(holds) order by known.id for no key update;
    end if;
    perform from mainstay.ledger_accounts target where target.id = any(accounts) and not target.is_deferred order by target.id for no key update;
end $$;

-- Releases holds that have expired, at most so many, and gives how many. Locks many accounts, so it waits for none: what somebody is at stays for the next time.
create function mainstay.ledger_expire(most integer) returns integer language plpgsql as $$
declare
    due constant uuid[] := array(
        select hold.id from mainstay.ledger_holds hold join mainstay.ledger_accounts owner on owner.id = hold.account
        where hold.captured + hold.released < hold.amount and hold.expires_at <= mainstay.now()
        order by hold.expires_at limit most for no key update skip locked);
begin
    update mainstay.ledger_holds hold set released = hold.amount - hold.captured where hold.id = any(due);
    return cardinality(due);
end $$;

-- The number of the last entry of an account up to a time; 0 before the first.
create function mainstay.ledger_seq_at(of_account uuid, until timestamptz) returns bigint language plpgsql stable strict as $$
declare
    low bigint := 0;
    high bigint := (select account.entries from mainstay.ledger_accounts account where account.id = of_account);
    middle bigint;
begin
    while low < high loop
        middle := (low + high + 1) / 2;
        if (select entry.at <= until from mainstay.ledger_entries entry where entry.account = of_account and entry.seq = middle) then
            low := middle;
        else
            high := middle - 1;
        end if;
    end loop;
    return low;
end $$;

-- What an account had at a time: the sum of all entries that count by then, whenever they were recorded. Debits are positive.
create function mainstay.ledger_balance_at(of_account uuid, until timestamptz) returns numeric language sql stable as $$
    select coalesce((select entry.balance from mainstay.ledger_entries entry where entry.account = of_account and entry.seq = mainstay.ledger_seq_at(of_account, until)), 0)
        + coalesce((select sum(entry.amount) from mainstay.ledger_dated entry where entry.account = of_account and entry.effective_at <= until and entry.at > until), 0)
        - coalesce((select sum(entry.amount) from mainstay.ledger_dated entry where entry.account = of_account and entry.effective_at > until and entry.at <= until), 0)
        + coalesce((select sum(entry.amount) from mainstay.ledger_unfolded entry where entry.account = of_account and coalesce(entry.effective_at, entry.at) <= until), 0)
$$;
