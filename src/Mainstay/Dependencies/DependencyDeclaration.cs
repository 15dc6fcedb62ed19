namespace Mainstay;

/// <summary>What is declared about a service that this one depends on. Every method returns the same declaration, so that calls chain.</summary>
public sealed class DependencyDeclaration
{
    internal DependencyDeclaration(string name, Uri address) => (Name, Address) = (name, address);

    internal string Name { get; }

    internal Uri Address { get; }

    internal TimeSpan Deadline { get; private set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a call may take, from its beginning to the last byte of the answer. Default: 10 s. A handler that is over sooner ends its calls with it.</summary>
    /// <param name="time">1 ms to 10 minutes.</param>
    public DependencyDeclaration Timeout(TimeSpan time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(time, TimeSpan.FromMinutes(10));
        Deadline = time;
        return this;
    }
}
