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

-- Idempotency records: the answer to a keyed request, committed with its effect.
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
create index receipts_expires_at_idx on mainstay.receipts (expires_at);

-- Who changed which row, through what.
create table mainstay.audit (
    id uuid not null primary key,
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
);
create index audit_row_id_idx on mainstay.audit (row_id, at);

-- One row per event and subscription, until it is handled.
create table mainstay.outbox (
    id uuid not null,
    subscription text not null,
    event text not null,
    body jsonb not null,
    due_at timestamptz not null default mainstay.now(),
    attempt integer not null default 0,
    last_error text,
    dead_at timestamptz,
    operation text not null,
    actor text not null,
    request_id text,
    trace_parent text,
    causation_id text,
    correlation_id text,
    constraint outbox_pkey primary key (id, subscription)
);
create index outbox_due_idx on mainstay.outbox (due_at, id) where dead_at is null;

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
    lease_until timestamptz not null
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
