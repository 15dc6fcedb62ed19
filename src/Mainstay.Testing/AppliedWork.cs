namespace Mainstay;

/// <summary>Work that was done: its effect and its end are recorded.</summary>
/// <param name="Handler">The stored name of the subscription or job.</param>
/// <param name="Input">The event or job; the tick of a scheduled job that takes one; null when its handler takes nothing.</param>
/// <param name="Attempt">The number of the run that did it: 1 when the first one did.</param>
/// <param name="Id">The id of the job.</param>
public sealed record AppliedWork(string Handler, object? Input, int Attempt, Guid Id);
