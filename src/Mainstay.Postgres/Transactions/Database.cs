using Npgsql;

namespace Mainstay.Internal;

/// <summary>The connection pool, and what a failure of it means. Opening is retried for a moment, because a private server that died is back within about a second.</summary>
internal sealed class Database : IAsyncDisposable, IDisposable
{
    /// <summary>One for each loop of the node and its listener, and two for whoever has an end to record.</summary>
    private const int ApartMost = 8;

    /// <summary>How long a call waits for a database that does not answer before it is refused with 503.</summary>
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(3);

    /// <summary>Those that are never given up: for the lease, and for the loop.</summary>
    private const int ApartLeast = 2;

    /// <summary>How long one of those apart is kept that nobody needs: a server that is short of connections gives it to handlers then.</summary>
    private const int ApartIdleSeconds = 10;

    private static readonly TimeSpan pieceMost = TimeSpan.FromMinutes(1);

    /// <summary>The pool that gives way to this one; null for none.</summary>
    private readonly Database? _giving;

    private readonly SemaphoreSlim _upkeep = new(1);

    /// <summary>A pool that somebody else made.</summary>
    public Database(NpgsqlDataSource source, TimeProvider clock) => (Source, Clock, Apart) = (source, clock, this);

    private Database(NpgsqlDataSource source, TimeProvider clock, Database giving) : this(source, clock) => _giving = giving;

    /// <summary>Pools of its own.</summary>
    public Database(string connectionString, string applicationName, TimeProvider clock)
    {
        (Source, Clock) = (CreateSource(connectionString, applicationName), clock);
        var few = new NpgsqlConnectionStringBuilder(connectionString) { MinPoolSize = ApartLeast, MaxPoolSize = ApartMost, ConnectionIdleLifetime = ApartIdleSeconds, ConnectionPruningInterval = ApartIdleSeconds };
        Apart = new Database(CreateSource(few.ConnectionString, applicationName, hasOwnTypes: false), clock, this);
    }

    public NpgsqlDataSource Source { get; }

    public TimeProvider Clock { get; }

    /// <summary>
    /// By what a node knows how long it may rely on its lease: by <see cref="Clock"/>. In a test that is one which is moved ahead, and the leases in the database with it, so that what is left of
    /// them stays the same; there it is one that is not moved.
    /// </summary>
    public TimeProvider LeaseClock { get => field ?? Clock; init; }

    /// <summary>Where a test ends this node; null in an application.</summary>
    public IFaultPoints? Faults { get; init; }

    /// <summary>
    /// For what keeps the node alive. Handlers and requests may hold every connection of the other pool for as long as they run, and a lease that waited behind them
    /// would be lost. In a pool of the application's there are none apart.
    /// </summary>
    public Database Apart { get; }

    /// <summary>Adds to a connection string what Mainstay needs and its author has not decided: prepared statements, a pool that fits the machine, timeouts.</summary>
    /// <param name="connectionString">Whose database, and what its author has decided.</param>
    /// <param name="applicationName">By what the server shows the connections.</param>
    /// <param name="hasOwnTypes">Whether statements may name types of the application or of extensions. The first connection asks for all that there are, which takes longer than to open it.</param>
    public static NpgsqlDataSource CreateSource(string connectionString, string applicationName, bool hasOwnTypes = true)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        void Default(string keyword, object value)
        {
            if (!settings.ShouldSerialize(keyword))
                settings[keyword] = value;
        }
        Default("Application Name", applicationName);
        // Small pools win: beyond a few connections per core PostgreSQL only switches between them.
        Default("Maximum Pool Size", Math.Max(16, Environment.ProcessorCount * 8));
        Default("Max Auto Prepare", 256);
        Default("Auto Prepare Min Usages", 2);
        Default("Timeout", 5);
        Default("Command Timeout", 30);
        // By the failed command a violated constraint is traced to the change, and so to the element of a batch, that caused it.
        // Transactions keep no session state, so there is nothing to reset, and nothing that a transaction-mode pooler could lose.
        Default("No Reset On Close", true);
        // A refused batch must tell which of its statements was refused: that is the element of a bulk request, or the receipt.
        settings.IncludeFailedBatchedCommand = true;
        return new NpgsqlDataSourceBuilder(settings.ConnectionString).ConfigureTypeLoading(types => types.EnableTypeLoading(hasOwnTypes)).Build();
    }

    /// <summary>Opens a first connection while the start is busy with other things. Whether it succeeds, whoever needs one finds out.</summary>
    public void OpenAhead() => _ = Task.Run(async () =>
    {
        try
        {
            await using var connection = await Source.OpenConnectionAsync();
        }
        catch (Exception e) when (e is NpgsqlException or ObjectDisposedException || DatabaseErrors.IsUnavailable(e))
        {
        }
    });

    /// <exception cref="ProblemException"><c>database-unavailable</c> or <c>deadline-exceeded</c>.</exception>
    public async ValueTask<NpgsqlConnection> OpenAsync(Deadline deadline, CancellationToken cancellation)
    {
        var giveUp = Deadline.After(patience, Clock).Earlier(deadline);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await Source.OpenConnectionAsync(cancellation);
            }
            catch (Exception e) when (DatabaseErrors.IsUnanswered(e))
            {
                if (giveUp.Left(Clock) <= TimeSpan.Zero)
                    throw DatabaseErrors.Unavailable(e);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(250, 25 * attempt)), Clock, cancellation);
            }
        }
    }

    /// <summary>
    /// What follows for the pools from a failure of what keeps the node alive. A server that has left, or has become read-only, is answered for as long as its connections are there: they are closed, those in use at their return, so
    /// that the next ones are to whoever has taken its place. A server that refuses one more connection gets back those of the handlers that nobody uses just now; else they could keep for minutes, unused, what the lease needs. Not the
    /// other way round: a lease that has to ask for a connection at such a time is lost.
    /// </summary>
    public void Recover(Exception failure)
    {
        if (DatabaseErrors.HasLeft(failure))
            Source.Clear();
        if (failure is PostgresException { SqlState: PostgresErrorCodes.TooManyConnections })
            _giving?.Source.Clear();
    }

    /// <summary>
    /// Keeps tables or keys in order, which can wait. A node does one piece of it at a time, so that all of it is in nobody's way, also when it starts and after a sleep, when everything is due at once.
    /// A piece that takes longer than a minute is cancelled.
    /// </summary>
    /// <param name="keep">Does one piece and says whether there is more. Others have their turn before the next.</param>
    /// <param name="stopping">Ends it.</param>
    public async Task UpkeepAsync(Func<CancellationToken, Task<bool>> keep, CancellationToken stopping)
    {
        var turns = _giving is null ? _upkeep : _giving._upkeep;
        for (var hasMore = true; hasMore;)
        {
            await turns.WaitAsync(stopping);
            using var late = new CancellationTokenSource(pieceMost, TimeProvider.System);      // not by a clock that a test moves
            using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, late.Token);
            try
            {
                hasMore = await keep(either.Token);
            }
            catch (Exception e) when (either.IsCancellationRequested && e is not OperationCanceledException)
            {
                // Whatever it says: a query that is cancelled at a bad moment ends with an exception of no particular type.
                throw new OperationCanceledException("A piece of upkeep was cancelled.", e, either.Token);
            }
            finally
            {
                turns.Release();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        if (Apart != this)
            await Apart.DisposeAsync();
    }

    public void Dispose()
    {
        Source.Dispose();
        if (Apart != this)
            Apart.Dispose();
    }
}
