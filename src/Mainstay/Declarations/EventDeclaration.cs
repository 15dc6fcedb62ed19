namespace Mainstay;

/// <summary>What is declared about an event.</summary>
public sealed class EventDeclaration
{
    internal EventDeclaration(string name) => Name = name;

    /// <summary>The stored and sent name.</summary>
    public string Name { get; }
}
