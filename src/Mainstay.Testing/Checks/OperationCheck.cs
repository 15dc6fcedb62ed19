namespace Mainstay.Internal;

/// <summary>A kind of check.</summary>
internal abstract class OperationCheck
{
    /// <summary>What it promises, behind the name of the operation.</summary>
    public abstract string Title { get; }

    /// <summary>Whether there is anything to check about an operation.</summary>
    public abstract bool Concerns(Operation operation);

    /// <returns>Why it could not look; null when it did.</returns>
    /// <exception cref="CheckException">What it found.</exception>
    public abstract Task<string?> RunAsync(CheckScene scene);
}
