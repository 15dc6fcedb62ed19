using System.Text;

namespace Mainstay.Internal;

/// <summary>The declared events with who listens to each, and the declared jobs. Fixed when the application starts.</summary>
internal sealed class MessageCatalogue
{
    /// <summary>The longest payload. The row of a job is written, claimed, updated and deleted; what is larger belongs into a table of its own.</summary>
    public const int PayloadBytesMost = 256 * 1024;

    private readonly Dictionary<Type, (string Name, List<(string Name, Placement Placement)> Subscriptions)> _events = [];
    private readonly Dictionary<Type, (string Name, Placement Placement)> _jobs = [];

    /// <summary>The events with who listens to each, in the order in which they were declared.</summary>
    public IEnumerable<(string Name, IReadOnlyList<string> Subscriptions)> Events => _events.Values.Select(entry => (entry.Name, (IReadOnlyList<string>)[.. entry.Subscriptions.Select(subscription => subscription.Name)]));

    public IEnumerable<string> Names => _events.Values.Select(entry => entry.Name);

    /// <exception cref="ConfigurationException">MST2102: the name or the type is taken. MST1003: the type cannot be stored.</exception>
    public void DeclareEvent(Type type, string name)
    {
        CheckPayload(type, $"Event '{name}'");
        if (_events.Values.Any(entry => entry.Name == name) || !_events.TryAdd(type, (name, [])))
            throw new ConfigurationException("MST2102", $"Event '{name}' ({type.Name}) is declared twice. Stored names and event types are unique; remove one declaration.");
    }

    /// <exception cref="ConfigurationException">MST2502: the type has a job already. MST1003: the type cannot be stored.</exception>
    public void DeclareJob(Type type, string name, Placement placement)
    {
        CheckPayload(type, $"Job '{name}'");
        if (!_jobs.TryAdd(type, (name, placement)))
            throw new ConfigurationException("MST2502", $"{type.Name} is the input of the jobs '{_jobs[type].Name}' and '{name}', expected one job for each record. To have several handlers, publish it as an event.");
    }

    /// <exception cref="ConfigurationException">MST2101: the event is not declared.</exception>
    public string NameOf(Type type) => Require(type).Name;

    public bool IsEvent(Type type) => _events.ContainsKey(type);

    public void Subscribe(Type type, string subscription, Placement placement) => Require(type).Subscriptions.Add((subscription, placement));

    /// <summary>One row for each subscription of the event: fan-out happens at the write, so that every subscription is delivered, retried and counted on its own.</summary>
    public IEnumerable<JobRow> Fan(object @event, Origin origin)
    {
        var (_, subscriptions) = Require(@event.GetType());
        if (subscriptions.Count == 0)
            return [];
        var message = Guid.CreateVersion7();
        var payload = Json(@event);
        return subscriptions.Select(subscription => subscription.Placement.Place(new JobRow(Guid.CreateVersion7(), subscription.Name, message, payload, origin), @event));
    }

    /// <param name="job">A record that was declared as a job.</param>
    /// <param name="origin">What causes it.</param>
    /// <param name="options">How it shall run.</param>
    /// <exception cref="ConfigurationException">MST2501: the job is not declared.</exception>
    /// <exception cref="ArgumentException">MST2511: a key is too long.</exception>
    public JobRow Enqueue(object job, Origin origin, EnqueueOptions options)
    {
        if (!_jobs.TryGetValue(job.GetType(), out var known))
            throw new ConfigurationException("MST2501", $"{job.GetType().Name} is not declared as a job. Declare it with Job<{job.GetType().Name}>(\"…\", …), giving it the name under which it is stored.");
        var (name, placement) = known;
        var row = new JobRow(Guid.CreateVersion7(), name, null, Json(job), origin) { After = options.After, At = options.At, Unique = placement.UniqueOf(name, job, options.Unique) };
        return placement.Place(row, job) with { Priority = placement.PriorityOf(name, options.Priority) };
    }

    /// <summary>Whether it can be published or enqueued.</summary>
    public bool IsDeclared(Type type) => _events.ContainsKey(type) || _jobs.ContainsKey(type);

    /// <summary>Who gets a row when one of these is published or enqueued.</summary>
    /// <exception cref="ConfigurationException">MST2501: it is declared neither as an event nor as a job.</exception>
    public IReadOnlyList<string> HandlersOf(Type type) => _events.TryGetValue(type, out var entry) ? [.. entry.Subscriptions.Select(subscription => subscription.Name)]
        : _jobs.TryGetValue(type, out var job) ? [job.Name]
        : throw new ConfigurationException("MST2501", $"{type.Name} is declared neither as an event nor as a job, so nothing can be sent of it. Declare it with Event<{type.Name}>(\"…\") or Job<{type.Name}>(\"…\", …).");

    private (string Name, List<(string Name, Placement Placement)> Subscriptions) Require(Type type) => _events.TryGetValue(type, out var entry)
        ? entry
        : throw new ConfigurationException("MST2101", $"{type.Name} is not declared as an event. Declare it with Event<{type.Name}>(\"…\"), giving it the name under which it is stored.");

    /// <exception cref="ConfigurationException">MST1003: it cannot be stored, or only in a form that could never be added to.</exception>
    private static void CheckPayload(Type type, string declared)
    {
        StoredJson.Check(type, declared);
        if (Shape.Of(type) is not RecordShape)
            throw new ConfigurationException("MST1003", $"{declared}: {type.Name} is a value, and nothing could ever be added to it. Declare a record with it as a member.");
    }

    /// <exception cref="InvalidOperationException">MST2507: it is too large.</exception>
    private static string Json(object message)
    {
        var json = StoredJson.Write(message);
        if (json.Length > PayloadBytesMost / 3 && Encoding.UTF8.GetByteCount(json) is var bytes and > PayloadBytesMost)
            throw new InvalidOperationException($"MST2507: A {message.GetType().Name} of {bytes} bytes of JSON shall be stored, expected at most {PayloadBytesMost}. Store what is large in a table, and send its id.");
        return json;
    }
}
