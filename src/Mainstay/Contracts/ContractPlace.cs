namespace Mainstay.Internal;

/// <summary>Where in an operation a value occurs, in the words of its clients, and which way it goes. The way decides what a change of it means.</summary>
/// <param name="Operation">Method and path.</param>
/// <param name="Subject">The name of the value, for example <c>quantity</c> or <c>data.total</c>; empty for a whole body.</param>
/// <param name="IsSent">Whether clients send it. Otherwise they read it.</param>
internal sealed record ContractPlace(string Operation, string Subject, bool IsSent)
{
    /// <summary>What stands before the subject, for example <c>header </c>.</summary>
    public string Kind { get; init; } = "";

    /// <summary>Whether it lies in a problem document.</summary>
    public bool IsProblem { get; init; }

    public string Name => Subject.Length > 0 ? $"{Kind}'{Subject}'" : IsSent ? "the body" : "the answer";

    /// <summary>Who meets the value.</summary>
    public string Clients => (IsSent, Subject.Length) switch
    {
        (true, 0) => "clients that send a body",
        (true, _) => $"clients that send {Kind}{Subject}",
        (false, 0) => "clients that read the answer",
        (false, _) => $"clients that read {Kind}{Subject}",
    };

    public ContractPlace Member(string name) => this with { Subject = Subject.Length > 0 ? $"{Subject}.{name}" : name };

    public ContractPlace Element() => this with { Subject = $"{Subject}[]" };
}
