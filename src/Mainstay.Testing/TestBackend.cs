using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay;

/// <summary>
/// A backend under test: the whole application in this process, behind real HTTP and on a real PostgreSQL, with a database of its own and a clock that can be
/// advanced. <c>await using var shop = await TestBackend.StartAsync(() => Shop.Declare());</c>
/// </summary>
/// <remarks>Nothing here takes a <see cref="CancellationToken"/>: every wait has a limit of its own, and a test that had to hand one to each call would be harder to read.</remarks>
public sealed class TestBackend : IAsyncDisposable
{
    private static readonly TimeSpan workTimeout = TimeSpan.FromSeconds(60);

    private readonly Func<Backend> _declare;
    private readonly TestRun _run;
    private readonly List<TestNode> _nodes = [];
    private readonly Drain _drain;
    private readonly Recorder _recorder;
    private readonly SocketsHttpHandler _http = new() { UseCookies = false, AllowAutoRedirect = false, UseProxy = false };

    private TestBackend(Func<Backend> declare, TestRun run)
    {
        (_declare, _run, _drain) = (declare, run, new Drain(run));
        _recorder = new Recorder(run, () => Node);
        Factory = new Factory(run.Clock);
    }


    /// <summary>The clock of all nodes and of the database.</summary>
    public TestClock Clock => _run.Clock;

    /// <summary>All nodes, also those that no longer run.</summary>
    public IReadOnlyList<TestNode> Nodes => _nodes;

    /// <summary>The first node that runs; it answers requests.</summary>
    /// <exception cref="InvalidOperationException">None does.</exception>
    public TestNode Node => _nodes.Find(node => node.IsAlive) ?? throw new InvalidOperationException("No node runs. Start one with StartNodeAsync().");

    /// <summary>The services of the application, on the first node that runs.</summary>
    public IServiceProvider Services => Node.Services;

    /// <summary>The test's own connections to the database, for SQL.</summary>
    public NpgsqlDataSource Database => _run.Source;

    /// <summary>The last warnings and errors that the nodes logged, oldest first, with their exceptions.</summary>
    public IReadOnlyList<string> Log => _run.Log.Lines;

    /// <summary>Somebody who has not signed in.</summary>
    public TestCaller Anonymous => new(this, null);

    internal HttpMessageHandler Http => _http;

    internal TestRun Run => _run;

    internal Factory Factory { get; }

    /// <summary>Starts the backend with one node, on a new database.</summary>
    /// <param name="declare">Gives the backend that the application would run, and is called once for each node: declarations, and no <see cref="Backend.RunAsync"/>.</param>
    /// <param name="options">How the test differs from the application. Default: <see cref="TestOptions"/>.</param>
    /// <exception cref="ConfigurationException">What would keep the application from starting too; or MST11xx: there is no PostgreSQL.</exception>
    public static async Task<TestBackend> StartAsync(Func<Backend> declare, TestOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(declare);
        var server = await TestServer.ShareAsync();
        var backend = new TestBackend(declare, new TestRun(server, options ?? new TestOptions()));
        try
        {
            await backend.StartNodeAsync();
            return backend;
        }
        catch
        {
            await backend.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts one more node on the same database and the same clock.</summary>
    public async Task<TestNode> StartNodeAsync()
    {
        var node = await TestNode.StartAsync(_nodes.Count + 1, _declare, _run);
        _nodes.Add(node);
        await _drain.SettleAsync(node);
        return node;
    }

    /// <summary>Kills the node that comes to a place, as <see cref="TestNode.KillAsync"/> does, in the middle of what it is doing there.</summary>
    /// <param name="point">A name of <see cref="CrashPoint"/>, for example <c>after side effect</c>.</param>
    /// <param name="nth">Which of those who come there, counted over all nodes from now on. Default: the first.</param>
    /// <param name="of">Only of this operation (<c>POST /v1/orders</c>), subscription (<c>on count units sold</c>), job (<c>job send-receipt</c>) or source of an inbox (<c>inbox payments</c>). Default: of any. What the test itself does, such as <see cref="InsertAsync{T}"/>, is none of them and goes on.</param>
    /// <exception cref="ArgumentException">There is no such place, or nothing of that name comes there.</exception>
    public Crash CrashAt(string point, int nth = 1, string? of = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(nth, 1);
        if (!FaultPoint.All.Contains(point))
            throw new ArgumentException($"There is no crash point '{point}'.{Suggestion.For(point, FaultPoint.All)} Expected one of '{string.Join("', '", FaultPoint.All)}'.", nameof(point));
        if (of is not null && !NamesAt(point).Contains(of))
            throw new ArgumentException($"Nothing of the name '{of}' comes to '{point}'.{Suggestion.For(of, NamesAt(point))} Expected {(IsCommit(point) ? "an operation ('POST /v1/orders'), a subscription" : "a subscription")} ('on …') or a job ('job …').", nameof(of));
        var crash = new Crash(point, nth, of);
        _run.Crashes.Add(crash);
        return crash;
    }

    /// <summary>Somebody who has signed in, whatever way to sign in the application has.</summary>
    /// <param name="id">The user's id.</param>
    /// <param name="roles">The user's roles.</param>
    public TestCaller As(string id, params string[] roles) => As(new User(id, roles));

    /// <summary>Somebody who has signed in, also with permissions.</summary>
    /// <param name="user">Who it is.</param>
    public TestCaller As(User user)
    {
        ArgumentNullException.ThrowIfNull(user);
        return new TestCaller(this, _run.Users.Add(user));
    }

    /// <summary>A service of the application, on the first node that runs.</summary>
    /// <exception cref="InvalidOperationException">There is none of that type.</exception>
    public T Service<T>() where T : notnull => Services.GetRequiredService<T>();

    /// <summary>The events of a type that were published and committed, in their order. Not those of a transaction that was rolled back.</summary>
    /// <exception cref="InvalidOperationException">Nobody subscribes to it, so nothing of it is stored.</exception>
    public IReadOnlyList<T> Published<T>() where T : class => _recorder.Published<T>();

    /// <summary>The jobs of a type that were enqueued and committed, in their order, whether they have run or not.</summary>
    /// <exception cref="InvalidOperationException">The type is not declared as a job.</exception>
    public IReadOnlyList<T> Enqueued<T>() where T : class => _recorder.Enqueued<T>();

    /// <summary>What subscriptions and jobs have done, in the order in which it was committed.</summary>
    /// <param name="handler">The stored name of one of them. Default: all.</param>
    /// <exception cref="ArgumentException">There is no handler of that name.</exception>
    public IReadOnlyList<AppliedWork> Applied(string? handler = null) => _recorder.Applied(handler);

    /// <summary>
    /// Somebody whom the backend calls, played by the test: every <see cref="HttpClient"/> of that name calls the fake, through all handlers that the application has
    /// put before it. What a fake is not told to answer fails the test, and so does a call to somebody for whom there is no fake: a test never leaves the machine.
    /// </summary>
    /// <param name="dependency">The name of the client.</param>
    public FakeDependency Fake(string dependency)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(dependency);
        return _run.Fakes.Of(dependency);
    }

    /// <summary>What a fake was called with, in order; the same as <see cref="FakeDependency.Calls"/>.</summary>
    /// <param name="dependency">The name of the client.</param>
    public IReadOnlyList<FakeCall> Called(string dependency) => Fake(dependency).Calls;

    /// <summary>Forgets what was published, enqueued and done until now, so that the next look shows what came after.</summary>
    public void ForgetRecords() => _recorder.Forget();

    /// <summary>A record that is valid by its declaration: members within their bounds, ids of their own, texts that no other record of the test has. For rows and for inputs.</summary>
    /// <param name="change">What the test wants of it, for example <c>p =&gt; p with { Price = 5 }</c>. Default: nothing.</param>
    /// <exception cref="InvalidOperationException">It is not valid: a pattern, for example, has to be met by <paramref name="change"/>.</exception>
    public T A<T>(Func<T, T>? change = null) where T : class
    {
        var made = (T)Factory.Make(typeof(T));
        made = change is null ? made : change(made);
        Internal.Factory.Check(made);
        return made;
    }

    /// <summary>Makes a row as <see cref="A"/> does and inserts it, behind the rows that it refers to and that are not there yet.</summary>
    /// <param name="change">What the test wants of it. Default: nothing.</param>
    /// <returns>The row.</returns>
    /// <exception cref="ConfigurationException">MST1403: it is not the row of a resource.</exception>
    public async Task<T> InsertAsync<T>(Func<T, T>? change = null) where T : class
    {
        var row = A(change);
        await InsertAsync([row]);
        return row;
    }

    /// <summary>Inserts rows, behind the rows that they refer to and that are not there yet.</summary>
    /// <param name="rows">Rows of resources, of any types.</param>
    /// <exception cref="ConfigurationException">MST1403: one is not the row of a resource.</exception>
    public Task InsertAsync(params IReadOnlyList<object> rows) => WorkAsync(async work =>
    {
        foreach (var row in rows)
            await new Rows(Node.Running.Model.Tables, Factory).InsertAsync(work, row);
    });

    /// <summary>Does something in one transaction of the application, as the framework itself: to arrange what a test begins with.</summary>
    /// <param name="work">Like a handler: returning commits, throwing rolls back.</param>
    public Task WorkAsync(Func<UnitOfWork, Task> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        return WorkAsync(async unit =>
        {
            await work(unit);
            return true;
        });
    }

    /// <summary>The same for work that comes to something.</summary>
    /// <param name="work">Like a handler: returning commits, throwing rolls back.</param>
    public Task<T> WorkAsync<T>(Func<UnitOfWork, Task<T>> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        return Node.Running.Services.Transactor.RunAsync(Request(), async unit => new Completed<T>(await work(unit)));
    }

    /// <summary>Reads from one consistent view, as the framework itself.</summary>
    /// <param name="read">Like the handler of a query.</param>
    public Task<T> ReadAsync<T>(Func<Snapshot, Task<T>> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        return Node.Running.Services.Transactor.ReadAsync(Request(), read);
    }

    /// <summary>
    /// Waits until nothing is ready or runs: events are handled, jobs done, planned times dealt with. What is put off stays, a retry after a failure too. Fails with
    /// what does not come to an end, and with what died.
    /// </summary>
    /// <param name="options">When that is enough. Default: <see cref="DrainOptions"/>.</param>
    /// <exception cref="DrainException">What is stuck, or dead, with its errors.</exception>
    public Task DrainAsync(DrainOptions? options = null) => _drain.RunAsync(_nodes, options ?? new DrainOptions());

    /// <summary>
    /// Lets time pass: advances the clock from one thing that is due to the next, and drains at each. So every planned time has its own run and every retry its own
    /// pause, which <see cref="TestClock.AdvanceAsync"/> jumps over.
    /// </summary>
    /// <param name="time">How long.</param>
    /// <param name="options">As for <see cref="DrainAsync"/>, each time.</param>
    /// <exception cref="DrainException">What is stuck, or dead, with its errors.</exception>
    public async Task PassAsync(TimeSpan time, DrainOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero);
        var end = Clock.GetUtcNow() + time;
        await DrainAsync(options);
        while (await _drain.NextDueAsync(_nodes) is { } due && due <= end)
        {
            await Clock.ReachAsync(due);
            await DrainAsync(options);
        }
        await Clock.ReachAsync(end);
        await DrainAsync(options);
    }

    /// <summary>
    /// Forgets the test before, whatever has become of it. For tests that share a backend. Empties the database: tables of the application, work, dead letters, receipts, audit entries, records,
    /// what rates have counted. Forgets what fakes were told and were called with, and crashes that have not happened. What runs may come to its end first, for 10 s at most; what waits is deleted.
    /// The clock stays where it is, and so do schedules, settings, and which nodes run.
    /// </summary>
    public async Task ResetAsync()
    {
        _run.Crashes.Clear();
        await EmptyAsync();
        _run.Fakes.Reset();
    }

    /// <summary>The database alone, and what nodes know of it.</summary>
    internal async Task EmptyAsync()
    {
        await new Reset(_run).RunAsync(_nodes);
        _drain.ForgetDead();
    }

    /// <summary>
    /// Runs all checks that follow from the declarations, one after the other, each on an empty database.
    /// </summary>
    /// <param name="options">What the declarations do not tell. Default: nothing.</param>
    /// <returns>All checks, with the reason of those that could not look.</returns>
    /// <exception cref="CheckException">What they found, all of it.</exception>
    public async Task<IReadOnlyList<CheckResult>> CheckAsync(CheckOptions? options = null)
    {
        List<CheckResult> results = [];
        List<string> found = [];
        foreach (var check in BackendChecks.Of(Node.Running.Model, options ?? new CheckOptions()))
            try
            {
                results.Add(await check.RunAsync(this));
            }
            catch (CheckException finding)
            {
                found.Add(finding.Message);
            }
        return found.Count == 0 ? results : throw new CheckException(string.Join("\n\n", found));
    }

    /// <summary>Stops all nodes and drops the database.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
            await node.EndAsync();
        _http.Dispose();
        await _run.DisposeAsync();
    }

    /// <summary>What comes to a crash point, by the names under which it comes. Steps and ends are those of handlers.</summary>
    private HashSet<string> NamesAt(string point)
    {
        var names = _nodes.SelectMany(node => node.Queues.Handlers).Select(handler => handler.Operation).ToHashSet();
        if (IsCommit(point))
            names.UnionWith(_nodes.SelectMany(node => node.Running.Model.Operations.Select(operation => operation.Name).Concat(node.Queues.Sources.Select(source => $"inbox {source}"))));
        return names;
    }

    private static bool IsCommit(string point) => point is CrashPoint.BeforeCommit or CrashPoint.AfterCommit;

    private TransactionRequest Request() => new(User.System("test"), new Origin(TestRun.Operation, "test", null, null, null, null), Deadline.After(workTimeout, Clock), CancellationToken.None);
}
