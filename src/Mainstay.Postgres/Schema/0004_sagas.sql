-- Sagas: processes of several steps, each of which is a job. docs/internals/sagas.md says what moves a row.

-- Open sagas, one row for each. What has ended leaves for a table that only grows.
create table mainstay.sagas (
    id uuid not null primary key,
    -- The stored name, and the version of the definition that it goes by until its end.
    saga text collate "C" not null,
    version integer not null,
    -- A digest of the steps of that definition, so that a definition which was changed without a new version is noticed.
    shape text not null,
    -- What events find it by.
    key text collate "C" not null,
    status text not null default 'running' constraint sagas_status_check check (status in ('running', 'waiting', 'compensating', 'stuck')),
    -- What began it, and what caused that.
    input json not null,
    origin json,
    -- Where it stands, which jobs it has, and everything that has happened to it, oldest first. Written anew with each change.
    state json not null,
    -- How often that was written, so that whoever goes on from what it knows finds out whether somebody else was there meanwhile.
    moves integer not null default 0,
    started_at timestamptz not null default mainstay.now(),
    -- When it goes back unless it has come to its end; null for never.
    deadline timestamptz
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create unique index sagas_key_idx on mainstay.sagas (saga, key);
-- For the start, which asks for those that began by another form of their definition.
create index sagas_shape_idx on mainstay.sagas (saga, version, shape);
create index sagas_stuck_idx on mainstay.sagas (id) where status = 'stuck';

-- Sagas that have come to an end, or back to their beginning. Dropped a day at a time.
create table mainstay.sagas_ended (
    id uuid not null,
    saga text collate "C" not null,
    version integer not null,
    key text collate "C" not null,
    -- completed or compensated.
    outcome text not null,
    input json not null,
    origin json,
    state json not null,
    started_at timestamptz not null,
    deadline timestamptz,
    ended_at timestamptz not null default mainstay.now()
) partition by range (ended_at);
create index sagas_ended_id_idx on mainstay.sagas_ended (id);
create index sagas_ended_key_idx on mainstay.sagas_ended (saga, key);
create table mainstay.sagas_ended_default partition of mainstay.sagas_ended default;

-- Events for sagas that have not begun yet, kept until they do.
create table mainstay.saga_events (
    saga text collate "C" not null,
    key text collate "C" not null,
    -- The name of the wait that it is for.
    item text collate "C" not null,
    payload json not null,
    arrived_at timestamptz not null default mainstay.now(),
    constraint saga_events_pkey primary key (saga, key, item)
);
create index saga_events_arrived_at_idx on mainstay.saga_events (arrived_at);

-- A definition as it was last declared, to compare the next one with.
create table mainstay.saga_definitions (
    saga text collate "C" not null,
    version integer not null,
    shape text not null,
    -- The steps in words, for the message when they are not the same.
    steps text not null,
    declared_at timestamptz not null default mainstay.now(),
    constraint saga_definitions_pkey primary key (saga, version)
);

-- Aborts the transaction of whoever went on from what it knew of a saga, when that has moved meanwhile.
create function mainstay.require_unmoved(holds boolean) returns void language plpgsql as $$
begin
    if not holds then
        raise exception 'The saga has moved meanwhile.' using errcode = 'MS006';
    end if;
end $$;

-- How a stuck saga stands when something else of it has moved: it stays so while one of its jobs is dead. Asked of stuck ones alone, so that the others do not pay for the look into all days of dead letters.
create function mainstay.status_of_stuck(pending uuid[], moved text) returns text language plpgsql stable as $$
begin
    return case when exists (select from mainstay.jobs_dead where id = any(pending) and discarded_at is null) then 'stuck' else moved end;
end $$;

-- A job of a saga has died, whoever buried it: the saga stands until somebody decides. Jobs of a saga have its id as their message.
create function mainstay.stop_saga() returns trigger language plpgsql as $$
begin
    -- Whoever buries what dead nodes left must not wait for a step of the same saga. What is passed over here, the watch of any node finds.
    perform from mainstay.sagas where id = new.message for no key update skip locked;
    if not found then
        return null;
    end if;
    update mainstay.sagas set status = 'stuck' where id = new.message and status <> 'stuck'
        and exists (select from json_array_elements(state -> 'pending') owed where (owed ->> 'job')::uuid = new.id);
    return null;
end $$;
-- For the watch, which looks at all letters when it begins.
create index jobs_dead_message_idx on mainstay.jobs_dead (message, dead_at) where message is not null and discarded_at is null;
create trigger jobs_dead_stops_saga after insert on mainstay.jobs_dead for each row when (new.message is not null) execute function mainstay.stop_saga();

-- It is tried again: the saga goes on, unless another of its jobs is dead.
create function mainstay.resume_saga() returns trigger language plpgsql as $$
begin
    -- Of two that are tried again at once, the second looks when the first has ended.
    perform from mainstay.sagas where id = old.message for no key update;
    update mainstay.sagas saga set status = case when saga.state ->> 'turned' is null then 'running' else 'compensating' end
    where id = old.message and status = 'stuck' and exists (select from mainstay.jobs where id = old.id)
        and not exists (select from json_array_elements(saga.state -> 'pending') owed join mainstay.jobs_dead dead on dead.id = (owed ->> 'job')::uuid where dead.discarded_at is null);
    return null;
end $$;
create trigger jobs_dead_resumes_saga after delete on mainstay.jobs_dead for each row when (old.message is not null) execute function mainstay.resume_saga();
