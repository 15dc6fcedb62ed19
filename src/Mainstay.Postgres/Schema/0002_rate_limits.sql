-- How many requests a caller has made in the window that it is in. Emptied by a crash of the server, like the windows of callers who waited;
-- in return a decision writes no log and waits for no disk.
create unlogged table mainstay.rate_limits (
    key uuid not null primary key,
    used integer not null,
    granted integer not null,
    ends_at timestamptz not null
) with (fillfactor = 70);
create index rate_limits_ends_at_idx on mainstay.rate_limits (ends_at);
