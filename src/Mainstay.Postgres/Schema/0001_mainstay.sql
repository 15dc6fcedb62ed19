-- What Mainstay itself keeps. Applied in one transaction, in the order of the files' numbers, once per database.

-- The clock of leases, due dates and entries. Tests replace it by a shifted one; the planner inlines it into index conditions.
create function mainstay.now() returns timestamptz language sql stable parallel safe as 'select pg_catalog.now()';

-- Aborts the transaction that demanded something which does not hold.
create function mainstay.demand(holds boolean, what text) returns void language plpgsql as $$
begin
    if not holds then
        raise exception 'The row of % has changed since it was read.', what using errcode = 'MS001';
    end if;
end $$;

-- Aborts the transaction of a node that has lost the lease of what it was doing.
create function mainstay.require_lease(holds boolean) returns void language plpgsql as $$
begin
    if not holds then
        raise exception 'The lease has been lost, or the cancellation was asked for.' using errcode = 'MS002';
    end if;
end $$;

-- Idempotency records: the answer to a keyed request, committed with its effect. New ones go into receipts; those of the lifetime before stand in
-- receipts_before, which is only read. When all of those have expired the two change places and the old ones are gone at once, without a delete.
create table mainstay.receipts (
    scope text not null,
    key text not null,
    fingerprint bytea not null,
    status smallint not null,
    headers text not null,
    body bytea not null,
    expires_at timestamptz not null,
    constraint receipts_pkey primary key (key, scope)
);
create table mainstay.receipts_before (like mainstay.receipts, constraint receipts_before_pkey primary key (key, scope));
-- Almost free to keep, and enough to find out whether anything is left that has not expired.
create index receipts_expires_at_idx on mainstay.receipts using brin (expires_at) with (autosummarize = on);
create index receipts_before_expires_at_idx on mainstay.receipts_before using brin (expires_at) with (autosummarize = on);

-- When receipts began; one row.
create table mainstay.receipts_since (at timestamptz not null);
insert into mainstay.receipts_since values (mainstay.now());

-- Aborts the transaction of a request whose key has been used in the lifetime before.
create function mainstay.refuse_used_key() returns boolean language plpgsql as $$
begin
    raise exception 'The idempotency key has been used.' using errcode = 'MS003';
end $$;

-- Aborts a transaction that looks at the database as it was before receipts changed places, so that it could overlook one. It is run again.
create function mainstay.refuse_old_view() returns boolean language plpgsql as $$
begin
    raise exception 'Receipts have changed places since this transaction began to look.' using errcode = 'serialization_failure';
end $$;

-- Whether all of receipts_before has expired, and receipts are old enough to take their place.
create function mainstay.receipts_are_due(lifetime interval) returns boolean language sql as $$
    select (select at + lifetime <= mainstay.now() from mainstay.receipts_since)
        and not exists (select from mainstay.receipts_before where expires_at > mainstay.now())
$$;

-- Lets receipts take the place of receipts_before, if it is time. Any node may call it at any time; it runs with the rights of whoever created the tables, so that
-- the application needs none to change them. Nothing that has inserted a receipt is unfinished once the lock is there, so from then on receipts_before holds
-- everything that was ever inserted into it, visible to every statement that begins later: that is why looking there is enough.
create function mainstay.rotate_receipts(lifetime interval) returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not mainstay.receipts_are_due(lifetime) then
        return false;
    end if;
    lock table mainstay.receipts, mainstay.receipts_before, mainstay.receipts_since in access exclusive mode;
    if not mainstay.receipts_are_due(lifetime) then
        return false;
    end if;
    truncate mainstay.receipts_before, mainstay.receipts_since;
    alter table mainstay.receipts_before rename to receipts_next;
    alter table mainstay.receipts rename to receipts_before;
    alter table mainstay.receipts_next rename to receipts;
    insert into mainstay.receipts_since values (mainstay.now());
    return true;
end $$;

-- Who changed which row, through what. One partition for each month in UTC.
create table mainstay.audit (
    id uuid not null,
    at timestamptz not null,
    operation text not null,
    actor text not null,
    request_id text,
    trace_parent text,
    action text not null,
    resource text not null,
    row_id uuid not null,
    before jsonb,
    after jsonb
) partition by range (at);
create index audit_row_id_idx on mainstay.audit (row_id, at);
create index audit_at_idx on mainstay.audit using brin (at) with (autosummarize = on);

-- What has no month of its own, because nobody has made one in time. A write never fails for that; the month takes its entries over when it is made.
create table mainstay.audit_default partition of mainstay.audit default;

-- Makes the partitions of this month and the two that follow. Any node may call it at any time. Writers are not held up: attaching locks the new partition and the
-- one for the rest, which is empty unless months are missing.
create function mainstay.add_audit_partitions() returns integer language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    present constant timestamp := date_trunc('month', mainstay.now() at time zone 'UTC');
    month timestamp;
    name text;
    added integer := 0;
begin
    for month in select distinct missing from (
            select present + make_interval(months => ahead) as missing from generate_series(0, 2) as ahead
            union all
            select date_trunc('month', at at time zone 'UTC') from mainstay.audit_default
        ) as months where to_regclass('mainstay.audit_' || to_char(missing, 'YYYY_MM')) is null order by missing
    loop
        -- One node at a time; those behind find the month made.
        perform pg_advisory_xact_lock(hashtextextended('mainstay.audit', 0));
        name := 'audit_' || to_char(month, 'YYYY_MM');
        continue when to_regclass('mainstay.' || name) is not null;
        lock table mainstay.audit_default in access exclusive mode;
        execute format('create table mainstay.%I (like mainstay.audit)', name);
        execute format('with moved as (delete from mainstay.audit_default where at >= %L and at < %L returning *) insert into mainstay.%I select * from moved',
            month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC', name);
        execute format('alter table mainstay.audit attach partition mainstay.%I for values from (%L) to (%L)', name, month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
        added := added + 1;
    end loop;
    return added;
end $$;

-- Drops the months that are over for longer than that.
create function mainstay.drop_audit_partitions(retention interval) returns integer language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    partition record;
    dropped integer := 0;
begin
    for partition in
        select child.relname as name from pg_inherits join pg_class child on child.oid = inhrelid
        where inhparent = 'mainstay.audit'::regclass and child.relname ~ '^audit_[0-9]{4}_[0-9]{2}$'
            and (to_date(right(child.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' <= mainstay.now() - retention
        order by child.relname
    loop
        execute format('drop table if exists mainstay.%I', partition.name);
        dropped := dropped + 1;
    end loop;
    return dropped;
end $$;
select mainstay.add_audit_partitions();

-- Nonces of signed requests, until their signatures are too old to be used again.
create table mainstay.signature_nonces (
    key_id text not null,
    nonce text not null,
    expires_at timestamptz not null,
    constraint signature_nonces_pkey primary key (key_id, nonce)
);
create index signature_nonces_expires_at_idx on mainstay.signature_nonces (expires_at);

-- Nodes that hold leases. A node renews its one row, whatever it is doing, and whoever finds it expired may take over all of that.
create table mainstay.nodes (
    id uuid not null primary key,
    lease_until timestamptz not null,
    name text,
    started_at timestamptz not null default mainstay.now()
);

-- Long-running commands: what was asked by whom, who is at it, and the answer when there is one.
create table mainstay.operations (
    id uuid not null primary key,
    name text not null,
    owner text not null,
    roles text[] not null,
    permissions text[] not null,
    route text[] not null,
    query text not null,
    body bytea,
    request_id text not null,
    trace_parent text,
    status text not null default 'pending' constraint operations_status_check check (status in ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
    -- When it may begin; while it runs, when to look for the first time whether its node still lives.
    due_at timestamptz not null default mainstay.now(),
    node uuid,
    attempt integer not null default 0,
    -- Grows with every claim: what an earlier claim still does can no longer be committed.
    fence integer not null default 0,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    cancel_requested_at timestamptz,
    answer_status smallint,
    answer_headers text[],
    answer_body bytea,
    expires_at timestamptz
);
create index operations_due_idx on mainstay.operations (due_at, id) where status in ('pending', 'running');
create index operations_node_idx on mainstay.operations (node) where status = 'running';
create index operations_expires_at_idx on mainstay.operations (expires_at) where expires_at is not null;

-- Generated data that was put in once.
create table mainstay.seeds (
    name text not null primary key,
    at timestamptz not null default mainstay.now()
);

-- Keys that all nodes share, such as those that sign cursors. The newest that has started is in use; those before verify for a while.
create table mainstay.keys (
    name text not null,
    id integer not null,
    value bytea not null,
    starts_at timestamptz not null,
    constraint keys_pkey primary key (name, id)
);

-- How many requests a caller has made in the window that it is in. Emptied by a crash of the server, like the windows of callers who waited;
-- in return a decision writes no log and waits for no disk.
create unlogged table mainstay.rate_limits (
    key uuid not null primary key,
    used integer not null,
    granted integer not null,
    ends_at timestamptz not null
) with (fillfactor = 70);
create index rate_limits_ends_at_idx on mainstay.rate_limits (ends_at);
