using Mainstay.Internal;

namespace Mainstay;

/// <summary>The schedules of an application, while it runs: pause, go on, run now. What is paused is paused on all nodes and in later releases.</summary>
public sealed class Schedules
{
    private readonly ScheduleStore _store;
    private readonly QueueModel _model;
    private readonly JobDesk _desk;

    internal Schedules(ScheduleStore store, QueueModel model, JobDesk desk)
    {
        _store = store;
        _model = model;
        _desk = desk;
    }

    /// <summary>Lets no planned time have a run any more, until <see cref="ResumeAsync"/>. What runs goes on.</summary>
    /// <exception cref="ConfigurationException">MST2505: there is no such schedule.</exception>
    public Task PauseAsync(string name, CancellationToken cancellation = default) => _store.PauseAsync(Require(name), cancellation);

    /// <summary>Goes on with the next planned time. Those that passed meanwhile were meant to be left out.</summary>
    /// <exception cref="ConfigurationException">MST2505: there is no such schedule.</exception>
    public async Task ResumeAsync(string name, CancellationToken cancellation = default)
    {
        await _store.ResumeAsync(Require(name), cancellation);
        _desk.Scheduler?.Invoke();
    }

    /// <summary>Enqueues a run now, besides those that are planned; also of a schedule that is paused, and while another run has not ended.</summary>
    /// <returns>The id of the job.</returns>
    /// <exception cref="ConfigurationException">MST2505: there is no such schedule.</exception>
    public async Task<Guid> RunAsync(string name, CancellationToken cancellation = default)
    {
        var job = await _store.RunAsync(Require(name), ApplicationOrigin.Here(), cancellation);
        _desk.Wake();
        return job;
    }

    /// <summary>All schedules of the database, also those of other applications and those that are declared no more.</summary>
    public async Task<IReadOnlyList<ScheduleState>> ListAsync(CancellationToken cancellation = default) => await _store.ListAsync(cancellation);

    private ScheduleDefinition Require(string name)
    {
        var declared = _model.Schedules;
        return declared.FirstOrDefault(scheduled => scheduled.Definition.Name == name)?.Definition
            ?? throw new ConfigurationException("MST2505", $"There is no schedule '{name}'.{Suggestion.For(name, declared.Select(scheduled => scheduled.Definition.Name))} Declare it with Job(\"{name}\", Schedule.Cron(\"…\"), …).");
    }
}
