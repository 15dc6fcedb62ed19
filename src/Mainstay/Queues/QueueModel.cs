namespace Mainstay.Internal;

/// <summary>The declared handlers and queues of an application.</summary>
internal sealed class QueueModel
{
    private readonly List<QueueHandler> _handlers = [];
    private readonly List<QueueDeclaration> _queues = [];

    private readonly HashSet<string> _sources = [];

    public IReadOnlyList<QueueHandler> Handlers => _handlers;

    /// <summary>Where messages from outside come from.</summary>
    public IReadOnlySet<string> Sources => _sources;

    /// <summary>Whether this node may wait for what others do.</summary>
    public bool HasRequests => _handlers.Exists(handler => handler.Reply is not null);

    public IReadOnlyList<ScheduledJob> Schedules => [.. _handlers.Select(handler => handler.Scheduled).OfType<ScheduledJob>()];

    /// <summary>The handlers whose work is ready when it arrives.</summary>
    public LaneRule[] WithoutLanes => [.. _handlers.Where(handler => !handler.Placement.IsAdmitted).Select(handler => handler.Lanes)];

    /// <summary>The handlers all of whose work is ordinary.</summary>
    public string[] WithoutPriorities => [.. _handlers.Where(handler => handler.Placement.Priority is null).Select(handler => handler.Name)];

    public QueueHandler Add(QueueHandler handler)
    {
        _handlers.Add(handler);
        return handler;
    }

    public void AddSource(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        _sources.Add(name);
    }

    public QueueDeclaration Queue(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (_queues.Find(queue => queue.Name == name) is { } known)
            return known;
        var declared = new QueueDeclaration(name);
        _queues.Add(declared);
        return declared;
    }

    public int SlotsOf(string queue, int otherwise) => _queues.Find(declared => declared.Name == queue)?.Slots ?? otherwise;

    public QueueLimit? LimitOf(string queue) => _queues.Find(declared => declared.Name == queue)?.Limit;

    /// <summary>What is declared about the age of work: a gate, and the handlers that it is for. Those of a queue are judged together.</summary>
    public IEnumerable<(AgeGate Gate, string[] Handlers)> AgeLimits() =>
    [
        .. from handler in _handlers where handler.MaxAge is not null select (new AgeGate(handler.MaxAge!.Value), new[] { handler.Name }),
        .. from queue in _queues
           let members = _handlers.Where(handler => handler.Queue == queue.Name).Select(handler => handler.Name).ToArray()
           where queue.AgeMost is not null && members.Length > 0
           select (new AgeGate(queue.AgeMost!.Value), members),
    ];

    /// <summary>Compiles the handlers and ties them to their events and jobs.</summary>
    public IEnumerable<ConfigurationException> Compile(MessageCatalogue messages, Func<Type, bool> isService)
    {
        var mistakes = new List<ConfigurationException>();
        foreach (var handler in _handlers)
            try
            {
                handler.Compile(messages, isService);
                if (handler.Queue != QueueHandler.DefaultQueue && _queues.TrueForAll(queue => queue.Name != handler.Queue))
                    mistakes.Add(new ConfigurationException("MST2503", $"'{handler.Name}' runs in the queue '{handler.Queue}', which is not declared.{Suggestion.For(handler.Queue, _queues.Select(queue => queue.Name))} Declare it with Queue(\"{handler.Queue}\")."));
            }
            catch (ConfigurationException mistake)
            {
                mistakes.Add(mistake);
            }
        mistakes.AddRange(
            from handler in _handlers
            from sent in handler.Sent
            where !messages.IsDeclared(sent)
            select new ConfigurationException("MST2501", $"'{handler.Name}' says that it sends {sent.Name}, which is declared neither as an event nor as a job. Declare it with Event<{sent.Name}>(\"…\") or Job<{sent.Name}>(\"…\", …)."));
        mistakes.AddRange(
            from handler in _handlers
            group handler by handler.Name into same
            where same.Count() > 1
            select new ConfigurationException("MST2102", $"{(same.First().IsJob ? "Job" : "Subscription")} '{same.Key}' is declared twice. Its name is stored with all its work, so it must be unique."));
        return mistakes;
    }
}
