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

    /// <summary>Declares a queue: handlers that share its room, apart from all others. Again with the same name, it is the same queue.</summary>
    public QueueDeclaration Queue(string name) => _block.Model.Queue(name);
}
