-- What the testing kit adds to the database of a test.
create schema mainstay_testing;

-- Nodes that were killed: their leases end when they end.
create table mainstay_testing.killed (node uuid not null primary key);

-- All work that was ever enqueued, in its order. Written by a trigger, so that it is all that was committed and nothing else, whoever wrote it.
create table mainstay_testing.sent (
    number bigint not null generated always as identity,
    job uuid not null primary key,
    handler text not null,
    message uuid,
    payload json not null
);
create function mainstay_testing.note_sent() returns trigger language plpgsql as $$
begin
    -- A dead letter that is redriven was enqueued before.
    insert into mainstay_testing.sent (job, handler, message, payload) values (new.id, new.handler, new.message, new.payload) on conflict do nothing;
    return null;
end $$;
create trigger note_sent after insert on mainstay.jobs for each row execute function mainstay_testing.note_sent();

-- All work that was done, in its order.
create table mainstay_testing.applied (
    number bigint not null generated always as identity,
    job uuid not null,
    attempt integer not null
);
create function mainstay_testing.note_applied() returns trigger language plpgsql as $$
begin
    insert into mainstay_testing.applied (job, attempt) values (new.id, new.attempt);
    return null;
end $$;
create trigger note_applied after insert on mainstay.jobs_done for each row execute function mainstay_testing.note_applied();
