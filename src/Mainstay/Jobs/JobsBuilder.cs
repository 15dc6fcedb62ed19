using Mainstay.Internal;

namespace Mainstay;

/// <summary>The jobs of an application. Declarations only record; the start checks all of them together.</summary>
public sealed class JobsBuilder
{
    private readonly QueueBlock _block;

    internal JobsBuilder(QueueBlock block) => _block = block;

    /// <summary>Declares a job and who does it.</summary>
    /// <typeparam name="T">The record that says what is to be done.</typeparam>
    /// <param name="name">The stored name, unique, for example <c>send-receipt</c>. It survives any renaming of the type.</param>
    /// <param name="handler">A lambda or method that takes the record, a <see cref="UnitOfWork"/> or an <see cref="Outbound"/>, and services.</param>
    public JobDeclaration Job<T>(string name, Delegate handler) where T : class
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(handler);
        return new JobDeclaration(_block.Model.Add(new QueueHandler(name, handler) { JobType = typeof(T) }));
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
        return new ScheduleDeclaration(_block.Model.Add(new QueueHandler(name, handler) { Scheduled = new ScheduledJob(name, schedule) }));
    }

    /// <summary>Declares a saga, as <see cref="Backend.Saga{T}"/> does.</summary>
    /// <typeparam name="T">The record that begins it: an event of <c>AddOutbox</c> when it is published, else when it is enqueued.</typeparam>
    /// <param name="name">The stored name, unique, for example <c>fulfil order</c>.</param>
    /// <param name="version">Which version of its steps this is, from 1.</param>
    public SagaDeclaration<T> Saga<T>(string name, int version = 1) where T : class
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentOutOfRangeException.ThrowIfLessThan(version, 1);
        return new SagaDeclaration<T>(_block.Sagas, _block.Sagas.Declare<T>(name, version));
    }

    /// <summary>Declares a queue: handlers that share its room, apart from all others. Again with the same name, it is the same queue.</summary>
    public QueueDeclaration Queue(string name) => _block.Model.Queue(name);
}
