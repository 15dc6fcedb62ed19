using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Internal;

/// <summary>Who does the work of a subscription or a job, and how hard it is tried.</summary>
internal sealed class QueueHandler(string name, Delegate declared)
{
    public const string DefaultQueue = "default";

    private Type? _jobType;
    private Type? _element;
    private bool _saysBatch;
    private readonly List<Type> _keyed = [];
    private bool _hasTwoLanes;

    /// <summary>The stored name.</summary>
    public string Name { get; } = name;

    /// <summary>The type that must be the input; null for a subscription, whose handler says which event it is for.</summary>
    public Type? JobType { get => _jobType; init => _jobType = value; }

    /// <summary>What it is called for when that is published or enqueued: an event if it is declared as one, else a job.</summary>
    public Type? Starter { get; init; }

    /// <summary>What it is a part of, if that says how it is run.</summary>
    public IJobPart? Part { get; init; }

    /// <summary>How a job is run, where that is more than to call the handler; null where it is not.</summary>
    public Func<ClaimedJob, JobRunServices, IJobPartRun>? Runs { get; init; }

    /// <summary>What whoever asks for it is given; null for a job that gives nothing to anybody.</summary>
    public Type? Reply { get; private set; }

    /// <summary>When it runs by itself; null for what somebody enqueues or publishes.</summary>
    public ScheduledJob? Scheduled { get; init; }

    public bool IsJob => JobType is not null || Scheduled is not null || Part is not null;

    public RetryRules Retries { get; } = new();

    public TimeSpan Timeout { get; private set; } = TimeSpan.FromSeconds(30);

    public string Queue { get; private set; } = DefaultQueue;

    /// <summary>How old the oldest that is ready may be before nothing more is taken on; null for any age.</summary>
    public TimeSpan? MaxAge { get; private set; }

    /// <summary>What it says that it publishes or enqueues.</summary>
    public List<Type> Sent { get; } = [];

    /// <summary>Where its work stands among other work.</summary>
    public Placement Placement { get; } = new();

    /// <summary>Which priorities to look for.</summary>
    public IReadOnlyList<JobPriority> Priorities => Placement.Priority is null ? [JobPriority.Normal] : [JobPriority.High, JobPriority.Normal, JobPriority.Low];

    /// <summary>What it says about its lanes; when nothing, whatever is in one is let in.</summary>
    public LaneRule Lanes => new(Name, Placement.Places, Placement.AfterDeath, Placement.Spacing);

    /// <summary>Compiled when the application starts, once all events are known.</summary>
    public Handler Handler { get; private set; } = null!;

    /// <summary>What a payload is read as; null when the handler of a scheduled job does not ask for it.</summary>
    public Type? Input => Part is not null ? null : _element ?? Handler.Input;

    /// <summary>How much is handled at once; null for one by one.</summary>
    public BatchRule? Batch { get; private set; }

    /// <summary>What its changes are traced to.</summary>
    public string Operation => field ??= $"{(IsJob ? "job" : "on")} {Name}";

    /// <summary>Whether effect and acknowledgement are one commit.</summary>
    public bool IsTransactional => Part?.IsTransactional ?? Handler.Context == HandlerContext.UnitOfWork;

    public void InBatches(BatchRule rule)
    {
        Batch = rule;
        _saysBatch = true;
    }

    public void Limit(TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(timeout, TimeSpan.FromMilliseconds(10));
        Timeout = timeout;
    }

    public void LimitAge(TimeSpan most) => MaxAge = CheckedAge(most);

    public static TimeSpan CheckedAge(TimeSpan most)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(most, TimeSpan.FromDays(30));
        return most;
    }

    public void In(string queue)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(queue);
        Queue = queue;
    }

    /// <summary>Runs the handler in a transaction that also does what <paramref name="first"/> says, or not at all.</summary>
    public Task CommitAsync(JobRunServices services, TransactionRequest request, object? input, Func<BatchItem> first) => services.Transactor.RunAsync(
        request with { IsKeyed = true },     // the row is: a commit whose answer was lost has deleted it, so the next run is refused
        async work =>
        {
            await using var scope = services.Scopes.CreateAsyncScope();
            await Handler.InvokeAsync(input, work, scope.ServiceProvider, work.Cancellation);
            return new Completed<bool>(true) { First = first() };
        });

    public void Unique<T>(Func<T, object?> key, TimeSpan? per) where T : class => (Placement.Unique, Placement.UniqueFor) = (Key(key), per);

    public void InOrder<T>(Func<T, object?> key, DeadHead deadHead) where T : class => Lane(key, 1, deadHead);

    public void AtMost<T>(int places, Func<T, object?> key) where T : class => Lane(key, places, DeadHead.Skip);

    private void Lane<T>(Func<T, object?> key, int places, DeadHead afterDeath) where T : class
    {
        _hasTwoLanes |= Placement.Lane is not null;
        (Placement.Lane, Placement.Places, Placement.AfterDeath) = (Key(key), places, afterDeath);
    }

    public void FairTo<T>(Func<T, object?> tenant) where T : class => Placement.Tenant = Key(tenant);

    private Func<object, object?> Key<T>(Func<T, object?> key) where T : class
    {
        _keyed.Add(typeof(T));
        return input => key((T)input);
    }

    /// <summary>Compiles the handler and enters it in the catalogue.</summary>
    /// <exception cref="ConfigurationException">MST1002: the handler cannot be called. MST2101: its event is not declared. MST2502: the job's type is taken. MST2510: a key is computed from another type. MST2513: it has two lanes. MST2515: its rate has no key. MST2522: it is to reply and cannot. MST2504: its schedule cannot be understood.</exception>
    public void Compile(MessageCatalogue messages, Func<Type, bool> isService)
    {
        if (Part is not null && _saysBatch)
            throw new ConfigurationException("MST1002", $"'{Name}' is a part of a saga, of which each is done by itself, and .Batch(…) says several together. Remove Batch.");
        if (Part is not null)
            return;
        if (Starter is not null && !messages.IsEvent(Starter))
            _jobType = Starter;
        var list = declared.Method.GetParameters().Select(parameter => parameter.ParameterType).FirstOrDefault(type =>
            type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>) && (JobType is null ? !isService(type) : type.GenericTypeArguments[0] == JobType));
        Handler = Handler.Compile(Name, declared, isService, list ?? JobType);
        CheckBatch(list);
        if (Scheduled is not null)
        {
            if (Handler is not { Context: HandlerContext.UnitOfWork or HandlerContext.Outbound } || (Input is not null && Input != typeof(Tick)))
                throw new ConfigurationException("MST1002", $"The handler of scheduled job '{Name}' must take a UnitOfWork or an Outbound, and may take a Tick, for example (UnitOfWork work) => …. If it takes a service, register that before the declaration.");
            if (Scheduled.Schedule.Mistake is { } mistake)
                throw new ConfigurationException(mistake.Code, $"Job '{Name}': {mistake.Message[(mistake.Code.Length + 2)..]}");
            return;
        }
        if (Handler is not { Context: HandlerContext.UnitOfWork or HandlerContext.Outbound } || Input is not { } type)
            throw new ConfigurationException("MST1002", IsJob
                ? $"The handler of job '{Name}' must take the job and a UnitOfWork or an Outbound, for example ({JobType!.Name} job, UnitOfWork work) => …."
                : $"The handler of subscription '{Name}' must take the event and a UnitOfWork or an Outbound, for example (OrderPlaced placed, UnitOfWork work) => ….");
        if (_keyed.Find(keyed => keyed != type) is { } other)
            throw new ConfigurationException("MST2510", $"A key of '{Name}' is computed from {other.Name}, but its handler takes {type.Name}. Write the key as a lambda of that, for example ({type.Name} {(IsJob ? "job" : "message")}) => ….");
        if (_hasTwoLanes)
            throw new ConfigurationException("MST2513", $"'{Name}' says InOrderOf or AtMost more than once, but its work stands in one lane at a time. Keep one of them; work that is in order of a key has at most one running of it.");
        if (Placement is { Spacing: not null, Lane: null })
            throw new ConfigurationException("MST2515", $"'{Name}' has a Rate and no key that it is for. Say with InOrderOf or AtMost what it is the rate of, or declare the rate of its queue: Queue(\"{Queue}\").Rate(…).");
        CheckReply(type);
        if (IsJob)
            messages.DeclareJob(type, Name, Placement);
        else
            messages.Subscribe(type, Name, Placement);
    }

    /// <exception cref="ConfigurationException">MST2522: whoever asks could not be given a reply.</exception>
    private void CheckReply(Type type)
    {
        if (!IsJob || (_element ?? type).GetInterfaces().FirstOrDefault(known => known.IsGenericType && known.GetGenericTypeDefinition() == typeof(IRequest<>))?.GenericTypeArguments[0] is not { } reply)
            return;
        if (_element is not null || Placement.Unique is not null)
            throw new ConfigurationException("MST2522", $"Whoever asks '{Name}' waits for a reply of its own, and the job is {(_element is not null ? "handled with others in one go" : "unique, so that what is asked twice is recorded once")}. {(_element is not null ? $"Let the handler take one {_element.Name}" : "Remove Unique, and give AskAsync a key")}; or do not declare {(_element ?? type).Name} as IRequest<{reply.Name}>.");
        if (Handler.Result is null || !reply.IsAssignableFrom(Handler.Result))
            throw new ConfigurationException("MST2522", $"{type.Name} is an IRequest<{reply.Name}>, and the handler of '{Name}' gives {Handler.Result?.Name ?? "nothing"}, expected {reply.Name}. Let the handler return it, or declare {type.Name} without IRequest.");
        StoredJson.Check(reply, $"The reply of '{Name}'");
        Reply = reply;
    }

    private void CheckBatch(Type? list)
    {
        _element = list?.GenericTypeArguments[0];
        if (list is null && _saysBatch)
            throw new ConfigurationException("MST1002", $"The handler of '{Name}' takes one at a time, and .Batch(…) says several. Let it take a list: (IReadOnlyList<{JobType?.Name ?? "OrderPlaced"}> all, UnitOfWork work) => ….");
        if (list is null)
            return;
        if (Scheduled is not null || Handler.Context != HandlerContext.UnitOfWork)
            throw new ConfigurationException("MST1002", $"The handler of '{Name}' takes a list without a UnitOfWork. What is handled together is one transaction, so that it has happened to all of them or to none; what reaches out of the process is handled one by one.");
        Batch ??= new BatchRule(BatchRule.MostDefault, TimeSpan.Zero);
    }
}
