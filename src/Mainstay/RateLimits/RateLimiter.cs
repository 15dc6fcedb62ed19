using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Decides whether a caller may make one more request:
/// <code>
/// 1. the table    in hand: take one, no round trip        none left in this window: refused, no round trip
/// 2. the database counts for all nodes; gives what is needed now, and a lease to those who keep coming
/// 3. nobody asks twice at once for one caller: the others wait for that answer, then look into the table again
/// </code>
/// </summary>
/// <remarks>
/// Never more than the limit within a window, over all nodes: every request is taken from the database before it is made. What a node has in hand
/// and the caller does not use is lost to the caller until the window ends; <see cref="RateLimitSql.Take"/> keeps that small.
/// When the database cannot be asked, the request is refused with 503 like any other that needs it: a limit that opens when things go wrong is none.
/// </remarks>
internal sealed class RateLimiter(RateLimitStore store, TimeProvider clock, ILogger<RateLimiter> log)
{
    private readonly ConcurrentDictionary<UInt128, Asking> _asking = new();
    private readonly Lazy<RateLimitTable> _table = new(() => new RateLimitTable());

    /// <summary>Takes one request from each policy, or none.</summary>
    /// <param name="limits">The policies.</param>
    /// <param name="caller">Who is counted, by <see cref="CallerKey"/>.</param>
    /// <param name="usage">Counts the round trips.</param>
    /// <param name="deadline">Until when it makes sense to reach the database.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="ProblemException"><c>database-unavailable</c></exception>
    public async ValueTask<RateLimitVerdict> AdmitAsync(RateLimits limits, UInt128 caller, DatabaseUsage usage, Deadline deadline, CancellationToken cancellation)
    {
        var verdict = new RateLimitVerdict(this, limits, caller);
        for (var i = 0; i < limits.Policies.Count; i++)
        {
            var policy = limits.Policies[i];
            var key = caller ^ policy.Key;
            if (!_table.Value.TryTake(key, clock.GetTimestamp(), out var share))
                share = await AskAsync(key, policy, usage, deadline, cancellation);
            RateLimitMetrics.Decided(policy.Name, share.IsAdmitted);
            if (!share.IsAdmitted)
            {
                verdict.GiveBack();
                verdict.Refuse(i, share, clock);
                RateLimitLog.Refused(log, policy, clock);
                return verdict;
            }
            verdict.Add(share);
        }
        return verdict;
    }

    /// <summary>Forgets what this node has in hand for anybody, and who is refused: the database is asked again.</summary>
    public void Forget()
    {
        if (_table.IsValueCreated)
            _table.Value.Clear();
    }

    public void GiveBack(UInt128 key, in RateLimitShare share) => _table.Value.GiveBack(key, clock.GetTimestamp(), share.Window);

    /// <summary>Gives a request back to all nodes where every single one counts; where there are leases, to what this node has in hand.</summary>
    public async ValueTask ReturnAsync(RateLimitPolicy policy, UInt128 caller, RateLimitShare share, DatabaseUsage usage, Deadline deadline, CancellationToken cancellation)
    {
        var key = caller ^ policy.Key;
        if (policy.Lease == 1)
            try
            {
                usage.RoundTrips++;
                await store.ReturnAsync(key, share.Window, deadline, cancellation);
                _table.Value.Returned(key, clock.GetTimestamp(), share.Window);
                return;
            }
            catch (Exception e) when (e is NpgsqlException or ProblemException or OperationCanceledException)
            {
                RateLimitLog.NotReturned(log, policy.Name, e);
                if (e is not ProblemException)
                    return; // It may have arrived: given twice would be one too many.
            }
        GiveBack(key, share);
    }

    /// <summary>What is left of a window, in whole seconds: after that many it has ended.</summary>
    public long SecondsUntil(long timestamp) => (long)Math.Ceiling(Math.Max(0, timestamp - clock.GetTimestamp()) / (double)clock.TimestampFrequency);

    private async Task<RateLimitShare> AskAsync(UInt128 key, RateLimitPolicy policy, DatabaseUsage usage, Deadline deadline, CancellationToken cancellation)
    {
        for (var wanted = 1; ;)
        {
            var own = new Asking();
            var asking = _asking.GetOrAdd(key, own);
            if (asking == own)
                return await TakeAsync(key, policy, wanted, own, usage, deadline, cancellation);
            Interlocked.Increment(ref asking.Waiting);
            if (await asking.Ended.Task.WaitAsync(cancellation) is { } failure)
                throw DatabaseErrors.Unavailable(failure);
            wanted = Volatile.Read(ref asking.Waiting);
            if (_table.Value.TryTake(key, clock.GetTimestamp(), out var share))
                return share;
        }
    }

    private async Task<RateLimitShare> TakeAsync(UInt128 key, RateLimitPolicy policy, int wanted, Asking asking, DatabaseUsage usage, Deadline deadline, CancellationToken cancellation)
    {
        Exception? failure = null;
        try
        {
            // Another answer may have come between the look into the table and this turn.
            if (_table.Value.TryTake(key, clock.GetTimestamp(), out var share))
                return share;
            var sent = clock.GetTimestamp();
            usage.RoundTrips++;
            var grant = await store.TakeAsync(key, policy, wanted, deadline, cancellation);
            // The statement ran between these two instants. Nothing is spent after the earlier end, and nobody is sent away until before the later one.
            var received = clock.GetTimestamp();
            var length = (long)(grant.EndsIn.TotalSeconds * clock.TimestampFrequency);
            _table.Value.Put(key, received, Math.Max(grant.Granted - 1, 0), grant.Left, grant.Window, sent + length, received + length);
            return new RateLimitShare(grant.Granted > 0, Math.Max(grant.Granted - 1, 0) + grant.Left, grant.Window, received + length);
        }
        catch (ProblemException e)
        {
            failure = e;
            throw;
        }
        finally
        {
            _asking.TryRemove(key, out _);
            asking.Ended.SetResult(failure);
        }
    }

    /// <summary>A question that is on its way, and how many wait for its answer.</summary>
    private sealed class Asking
    {
        public int Waiting;

        /// <summary>Ends with what went wrong for everybody, or null: then the table is looked into again, also when the one who asked has left.</summary>
        public readonly TaskCompletionSource<Exception?> Ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>The policies of an operation.</summary>
internal sealed class RateLimits
{
    public const int PoliciesMost = 4;

    /// <param name="place">What they are declared on, for messages.</param>
    /// <param name="policies">In the order in which clients are told.</param>
    /// <exception cref="ConfigurationException">MST2201: two cannot be told apart, or there are too many.</exception>
    public RateLimits(string place, IReadOnlyList<RateLimitPolicy> policies)
    {
        if (policies.GroupBy(policy => policy.Name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw RateLimitPolicy.Mistake(place, $"two policies named '{twice.Key}'", "names that clients can tell apart");
        if (policies.Count > PoliciesMost)
            throw RateLimitPolicy.Mistake(place, $"{policies.Count} policies", $"at most {PoliciesMost}, such as one for bursts and one for the day");
        Policies = policies;
        PolicyField = string.Join(", ", policies.Select(policy => policy.Field));
    }

    public IReadOnlyList<RateLimitPolicy> Policies { get; }

    /// <summary>The value of <c>RateLimit-Policy</c>.</summary>
    public string PolicyField { get; }
}

/// <summary>What the limits of an operation say about one request.</summary>
internal sealed class RateLimitVerdict(RateLimiter limiter, RateLimits limits, UInt128 caller)
{
    private readonly RateLimitShare[] _shares = new RateLimitShare[limits.Policies.Count];
    private int _count;

    /// <summary>Which policy refuses it, or null.</summary>
    public ProblemException? Refusal { get; private set; }

    public void Add(in RateLimitShare share) => _shares[_count++] = share;

    public void Refuse(int policy, in RateLimitShare share, TimeProvider clock)
    {
        _shares[policy] = share;
        _count = policy;
        var seconds = limiter.SecondsUntil(share.EndsAt);
        var (requests, window) = (limits.Policies[policy].Requests, (long)limits.Policies[policy].Window.TotalSeconds);
        Refusal = new ProblemException(ProblemCatalogue.RateLimited,
            $"{requests} {(requests == 1 ? "request" : "requests")} in {window} s are allowed here by the policy \"{limits.Policies[policy].Name}\", and they have been made. The next ones are answered in {seconds} s; see RateLimit-Policy and RateLimit.", [])
        { RetryAfter = TimeSpan.FromSeconds(seconds) };
    }

    /// <summary>Another policy refuses the request.</summary>
    public void GiveBack()
    {
        for (var i = 0; i < _count; i++)
            limiter.GiveBack(caller ^ limits.Policies[i].Key, _shares[i]);
    }

    /// <summary>The request was not made after all: its answer is a stored one.</summary>
    public async ValueTask ReturnAsync(DatabaseUsage usage, Deadline deadline, CancellationToken cancellation)
    {
        for (var i = 0; i < _count && Refusal is null; i++)
        {
            await limiter.ReturnAsync(limits.Policies[i], caller, _shares[i], usage, deadline, cancellation);
            _shares[i] = _shares[i] with { Left = _shares[i].Left + 1 };
        }
    }

    /// <summary>The value of <c>RateLimit</c>: every policy, or the one that refuses.</summary>
    public string Field()
    {
        if (Refusal is not null)
            return Item(_count);
        var field = Item(0);
        for (var i = 1; i < _count; i++)
            field = $"{field}, {Item(i)}";
        return field;
    }

    private string Item(int i) => string.Create(CultureInfo.InvariantCulture, $"\"{limits.Policies[i].Name}\";r={(_shares[i].IsAdmitted ? _shares[i].Left : 0)};t={limiter.SecondsUntil(_shares[i].EndsAt)}");
}
