-- Schedules: jobs that run at planned times. docs/internals/queues.md says how nodes agree without a leader.

-- Where each schedule is. A planned time is dealt with by the one transaction that moves next_at past it.
create table mainstay.schedules (
    name text collate "C" not null primary key,
    -- What next_at was planned by. Another timing plans again.
    timing text not null,
    -- Null when it is to be planned, by whoever declares it.
    next_at timestamptz,
    -- The last planned time that was dealt with, and the job of the last run.
    last_at timestamptz,
    last_job uuid,
    paused_at timestamptz
);

-- Which node declares what. The declaration of the node that began last counts, as long as it lives; a node that is long gone takes its own with it.
create table mainstay.schedule_declarations (
    schedule text collate "C" not null,
    node uuid not null references mainstay.nodes on delete cascade,
    timing text not null,
    rules text not null,
    constraint schedule_declarations_pkey primary key (schedule, node)
);
create index schedule_declarations_node_idx on mainstay.schedule_declarations (node);

-- One row for each planned time that was dealt with, dropped a day at a time. No job: the run before had not ended.
create table mainstay.schedule_runs (
    schedule text collate "C" not null,
    planned_at timestamptz not null,
    job uuid,
    constraint schedule_runs_pkey primary key (schedule, planned_at)
) partition by range (planned_at);
create table mainstay.schedule_runs_default partition of mainstay.schedule_runs default;
