using Mainstay.Internal;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay;

/// <summary>
/// A backend: everything it is, declared in one place. Declarations only record; <see cref="RunAsync"/> checks all of them together, reports
/// every mistake at once, and then serves them on PostgreSQL.
/// </summary>
public sealed class Backend
{
    /// <summary>Services of the framework, which are there when handlers run and not yet when they are declared.</summary>
    private static readonly Type[] own = [typeof(Outbox), typeof(Jobs), typeof(Sagas), typeof(Schedules), typeof(DeadLetters), typeof(Inbox)];

    private readonly List<ConfigurationException> _mistakes = [];

    private Backend(string name, string[] args, WebApplicationBuilder builder)
    {
        Name = name;
        Arguments = args;
        Builder = builder;
    }

    /// <summary>The name of the application: in logs, in the documentation, and of its connections to the database.</summary>
    public string Name { get; }

    /// <summary>Services that handlers take as parameters. Register them before the declarations that use them.</summary>
    public IServiceCollection Services => Builder.Services;

    /// <summary>Configuration: command line, environment, <c>appsettings.json</c>, as in every ASP.NET Core application.</summary>
    public IConfiguration Configuration => Builder.Configuration;

    internal WebApplicationBuilder Builder { get; }

    internal IReadOnlyList<string> Arguments { get; }

    internal List<ResourceModel> Resources { get; } = [];

    internal List<OperationDeclaration> Operations { get; } = [];

    internal List<ProblemType> Problems { get; } = [];

    internal QueueModel Queues { get; } = new();

    internal SagaModel Sagas => field ??= new SagaModel(Queues);

    internal DependencyModel Dependencies { get; } = new();

    internal List<Seed> Seeds { get; } = [];

    internal CorsDeclaration CorsOrigins { get; } = new();

    internal Policy? Operators { get; private set; }

    internal WireFormat Wire { get; private set; } = new();

    internal MessageCatalogue Messages { get; } = new();

    internal IReadOnlyList<ConfigurationException> Mistakes => _mistakes;

    /// <summary>What it runs within.</summary>
    internal Surroundings Surroundings { get; set; } = new();

    /// <summary>
    /// Whether requests are looked at more closely than ASP.NET Core does by itself: <see cref="StrictRequest"/>, <see cref="ServerRefusals"/>,
    /// <see cref="DigitsOnlyEncoding"/>, and what a client accepts. Off only where the cost of that is measured.
    /// </summary>
    internal bool IsStrict { get; set; } = true;

    /// <summary>Starts the declaration of a backend.</summary>
    /// <param name="name">A short lower-case name, for example <c>shop</c>.</param>
    /// <param name="args">The command line: configuration such as <c>--urls http://localhost:9000</c>, or a command such as <c>contract check</c>.</param>
    public static Backend Create(string name, string[] args)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return new Backend(name, args, BackendHost.CreateBuilder(name, args));
    }

    /// <summary>
    /// Declares a resource: a table, and REST routes with typed ids, ETags, keyset pages, filters and validation. Who may use it is said by
    /// <see cref="ResourceDeclaration{T}.AllowRead"/> and its siblings.
    /// </summary>
    /// <typeparam name="T">The row: a positional record whose first member is <c>Id&lt;T&gt; Id</c>.</typeparam>
    /// <param name="path">The path of the collection with its version, for example <c>/v1/products</c>. Its last segment names the table.</param>
    public ResourceDeclaration<T> Resource<T>(string path) where T : class => Resource<T>(path, TableModel.DefaultSchema);

    /// <summary>
    /// Names the PostgreSQL schema in which a module keeps the tables of its resources: what is declared with the result is there, what is declared with the backend is in
    /// <c>public</c>. The start creates it. Again with the same name, it is the same schema.
    /// </summary>
    /// <param name="name">Lower-case letters, digits and underscores, beginning with a letter, for example <c>catalogue</c>. Neither <c>mainstay</c> nor what PostgreSQL keeps for itself.</param>
    public SchemaDeclaration Schema(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        Try(() => SchemaDeclaration.Check(name));
        return new SchemaDeclaration(this, name);
    }

    /// <summary>Declares a command: an operation that changes data, in one transaction that commits when the handler returns.</summary>
    /// <param name="route">Method and path, for example <c>POST /v1/orders/{id}/cancel</c>.</param>
    /// <param name="handler">
    /// A lambda or method that takes, in any order, an input record (members from route, then body), a <see cref="UnitOfWork"/>, services, and
    /// returns the result. A resource's row that was inserted is answered with 201 and its location.
    /// </param>
    public OperationDeclaration Command(string route, Delegate handler) => Operation(route, handler, isCommand: true);

    /// <summary>Declares a query: an operation that only reads, from one consistent view.</summary>
    /// <param name="route">Method and path, for example <c>GET /v1/reports/sales</c>.</param>
    /// <param name="handler">A lambda or method that takes, in any order, an input record (members from route and query), a <see cref="Snapshot"/>, services, and returns the result.</param>
    public OperationDeclaration Query(string route, Delegate handler) => Operation(route, handler, isCommand: false);

    /// <summary>Declares a refusal of this application, which handlers throw by <see cref="ProblemType.Because(string)"/>.</summary>
    /// <param name="code">Kebab case, stable: clients branch on it. For example <c>out-of-stock</c>.</param>
    /// <param name="status">The HTTP status: 400 to 499, usually 409 or 422.</param>
    /// <param name="title">What kind of problem this is, the same every time.</param>
    public ProblemType Problem(string code, int status, string title)
    {
        if (status is < 400 or > 499 || !ProblemCodes.IsCode(code) || ProblemCatalogue.All.Concat(Problems).Any(known => known.Code == code))
            _mistakes.Add(new ConfigurationException("MST1004",
                $"Problem '{code}' with status {status} cannot be declared, expected a new code in kebab case and a status from 400 to 499. Codes in use: {string.Join(", ", ProblemCatalogue.All.Concat(Problems).Select(known => known.Code))}."));
        var problem = new ProblemType(code, status, title);
        Problems.Add(problem);
        return problem;
    }

    /// <summary>Writes results and refusals in another form, for clients of a contract that exists already. Default: <see cref="WireFormat"/> itself.</summary>
    public Backend Format(WireFormat format)
    {
        ArgumentNullException.ThrowIfNull(format);
        Wire = format;
        return this;
    }

    /// <summary>Declares an event and the name under which it is stored and sent, which survives any renaming of the type.</summary>
    /// <param name="name">Lower case with dots, for example <c>order.placed</c>.</param>
    public EventDeclaration Event<T>(string name) where T : class
    {
        Try(() => Messages.DeclareEvent(typeof(T), name));
        return new EventDeclaration(name);
    }

    /// <summary>
    /// Declares a subscription. With a <see cref="UnitOfWork"/> the effect and the acknowledgement commit together, so the effect is applied once, however often
    /// delivery is tried; with an <see cref="Outbound"/> the handler reaches out of the process, at least once.
    /// </summary>
    /// <param name="name">The stored name, unique, for example <c>count units sold</c>.</param>
    /// <param name="handler">A lambda or method that takes the event, a <see cref="UnitOfWork"/> or an <see cref="Outbound"/>, and services.</param>
    public SubscriptionDeclaration On(string name, Delegate handler)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(handler);
        return new SubscriptionDeclaration(Queues.Add(new QueueHandler(name, handler)));
    }

    /// <summary>Declares a job, which <see cref="UnitOfWork.Enqueue"/> and <see cref="Jobs.EnqueueAsync"/> record and this handler does.</summary>
    /// <typeparam name="T">The record that says what is to be done.</typeparam>
    /// <param name="name">The stored name, unique, for example <c>send-receipt</c>.</param>
    /// <param name="handler">A lambda or method that takes the record, a <see cref="UnitOfWork"/> or an <see cref="Outbound"/>, and services.</param>
    public JobDeclaration Job<T>(string name, Delegate handler) where T : class
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(handler);
        return new JobDeclaration(Queues.Add(new QueueHandler(name, handler) { JobType = typeof(T) }));
    }

    /// <summary>
    /// Declares a job that runs by itself. Each planned time has one run, however many nodes there are and whichever of them die; which one sees to it is decided in
    /// the database, whose clock also says what time it is.
    /// </summary>
    /// <param name="name">The stored name, unique, for example <c>reorder low stock</c>.</param>
    /// <param name="schedule">When it runs: <see cref="Schedule.Cron"/> or <see cref="Schedule.Every"/>.</param>
    /// <param name="handler">A lambda or method that takes a <see cref="UnitOfWork"/> or an <see cref="Outbound"/>, services, and a <see cref="Tick"/> if it wants to know the planned time.</param>
    public ScheduleDeclaration Job(string name, Schedule schedule, Delegate handler)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(handler);
        return new ScheduleDeclaration(Queues.Add(new QueueHandler(name, handler) { Scheduled = new ScheduledJob(name, schedule) }));
    }

    /// <summary>
    /// Declares a saga: steps over which something is done that no single transaction could do, each of which can be undone. It begins when <typeparamref name="T"/> is published, if that is an event, or
    /// enqueued.
    /// </summary>
    /// <typeparam name="T">The record that begins it.</typeparam>
    /// <param name="name">The stored name, unique, for example <c>fulfil order</c>.</param>
    /// <param name="version">
    /// Which version of its steps this is, from 1. Instances go by the version with which they began, so one whose steps are changed is declared once more with the next number, beside the one before, until
    /// no instance of that is open. New ones begin with the highest.
    /// </param>
    public SagaDeclaration<T> Saga<T>(string name, int version = 1) where T : class
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentOutOfRangeException.ThrowIfLessThan(version, 1);
        return new SagaDeclaration<T>(Sagas, Sagas.Declare<T>(name, version));
    }

    /// <summary>Declares a service that this one depends on. Handlers with an <see cref="Outbound"/> call it by its name.</summary>
    /// <param name="name">A short name, for example <c>payments</c>. Again with the same name, it is the same dependency.</param>
    /// <param name="address">Where it is, for example <c>https://payments.example.com</c>. <c>Mainstay:Dependencies:payments:Address</c> in the configuration wins.</param>
    public DependencyDeclaration Dependency(string name, string address)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentException.ThrowIfNullOrWhiteSpace(address);
        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri))
            _mistakes.Add(new ConfigurationException("MST3001", $"The address of dependency '{name}' is '{address}', expected http:// or https:// with a host."));
        return Dependencies.Add(new DependencyDeclaration(name, uri ?? new Uri("http://unknown")));
    }

    /// <summary>
    /// Declares where messages from outside come from, such as a webhook or a broker, so that the service <see cref="Mainstay.Inbox"/> handles each of them once.
    /// </summary>
    /// <param name="source">The stored name, within which ids of messages are unique, for example <c>payments</c>.</param>
    public void Inbox(string source) => Queues.AddSource(source);

    /// <summary>
    /// Declares a ledger: the service <see cref="Mainstay.Ledger"/>, and <c>work.Ledger()</c> and <c>work.Transfer(…)</c> in every unit of work. Declare it before the handlers that take the service.
    /// </summary>
    /// <param name="options">The currencies, at least.</param>
    public void Ledger(LedgerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _mistakes.AddRange(options.Mistakes());
        if (options.ConnectionString is not null)
            _mistakes.Add(new ConfigurationException("MST2901", "LedgerOptions.ConnectionString is set, but the ledger of a backend is in its database, where it commits with everything else. Leave it out."));
        Try(() => LedgerExtensions.AddLedger(Services, options, static provider => provider.GetRequiredService<BackendServices>().Transactor));
    }

    /// <summary>Declares a queue: handlers that share its room, apart from all others. Again with the same name, it is the same queue.</summary>
    /// <param name="name">For example <c>mail</c>. Subscriptions and jobs say with <c>.Queue("mail")</c> that they run in it.</param>
    public QueueDeclaration Queue(string name) => Queues.Queue(name);

    /// <summary>
    /// Serves what operators need of the running application under <c>/internal</c>, such as its dead letters, to those whom the policy admits. Several calls allow
    /// each of them. Without one these addresses do not exist.
    /// </summary>
    /// <param name="policy">A role or a permission, for example <c>Policy.Role("operator")</c>. They can read every payload and run everything again.</param>
    public Backend AllowOperators(Policy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        Operators = Operators is null ? policy : Operators | policy;
        return this;
    }

    /// <summary>
    /// Lets pages of other origins use this backend from a browser. Off unless called, or set as <c>Mainstay:Cors:Origins</c>, which replaces what is
    /// said here. Several calls add up.
    /// </summary>
    /// <param name="origins">Scheme, host and port as a browser sends them, for example <c>https://app.example.com</c>; or <c>*</c> alone, for what everybody may read.</param>
    public CorsDeclaration Cors(params string[] origins)
    {
        CorsOrigins.Add(origins);
        return CorsOrigins;
    }

    /// <summary>Fills an empty development database. Runs once for each database and name, and only in development.</summary>
    public Backend Seed(string name, Func<UnitOfWork, Task> fill)
    {
        Seeds.Add(new Seed(name, fill));
        return this;
    }

    /// <summary>
    /// Checks the declarations, starts the database, brings the schema up to date, and serves until the process is told to stop; or runs the command
    /// that the command line begins with, and serves nothing.
    /// </summary>
    /// <returns>The exit code: 0 after an orderly stop, 1 when the start was refused or the command found something.</returns>
    public Task<int> RunAsync() => BackendHost.RunAsync(this);

    /// <summary>Keeps a mistake for the start, which reports all of them together.</summary>
    internal void Try(Action declare)
    {
        try
        {
            declare();
        }
        catch (ConfigurationException mistake)
        {
            _mistakes.Add(mistake);
        }
    }

    internal ResourceDeclaration<T> Resource<T>(string path, string schema) where T : class
    {
        ResourceModel? model = null;
        Try(() => model = new ResourceModel(RoutePath.Check(path), new TableModel(typeof(T), SqlName.SnakeCase(path[(path.LastIndexOf('/') + 1)..].Replace('-', '_')), schema)));
        if (model is not null)
            Resources.Add(model);
        return new ResourceDeclaration<T>(this, model);
    }

    private OperationDeclaration Operation(string route, Delegate handler, bool isCommand)
    {
        ArgumentNullException.ThrowIfNull(handler);
        var declaration = new OperationDeclaration(route, isCommand) { Try = Try };
        Try(() =>
        {
            (declaration.Method, declaration.Pattern) = RoutePath.Split(route, isCommand);
            declaration.Handler = Handler.Compile(route, handler, IsService);
            Operations.Add(declaration);
        });
        return declaration;
    }

    internal bool IsService(Type type) => own.Contains(type) || Services.Any(service => service.ServiceType == type || (type.IsGenericType && service.ServiceType == type.GetGenericTypeDefinition()));
}
