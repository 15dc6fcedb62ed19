-- Replies to jobs that somebody waits for. A row is made with the job and goes when the reply has been taken, or when nobody can want it any more.
create table mainstay.replies (
    -- The message of the job.
    id uuid not null primary key,
    -- What makes it the same request when it is asked again; null for one that is asked once, and for one whose place another has taken.
    key uuid constraint replies_key_key unique,
    -- Until then somebody waits.
    asked_until timestamptz not null,
    -- Until then it is there for whoever asks the same again.
    kept_until timestamptz not null,
    -- What the handler gave. Neither this nor the other: there is none yet.
    reply json,
    -- Why there will be none.
    problem json
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create index replies_kept_until_idx on mainstay.replies (kept_until);

-- A job that somebody waits for has died, whoever buried it.
create function mainstay.refuse_reply() returns trigger language plpgsql as $$
begin
    update mainstay.replies
    set problem = json_build_object('code', 'internal-error', 'status', 500, 'title', 'Internal error', 'detail', format('''%s'' was given up (%s). It is a dead letter.', new.handler, new.reason), 'errors', '[]'::json)
    where id = new.message and reply is null and problem is null;
    return null;
end $$;
create trigger jobs_dead_refuses_reply after insert on mainstay.jobs_dead for each row when (new.message is not null) execute function mainstay.refuse_reply();
