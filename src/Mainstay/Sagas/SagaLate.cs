namespace Mainstay;

/// <summary>What becomes of a saga when an event that it waits for has not come in time.</summary>
public enum SagaLate
{
    /// <summary>It goes back, and undoes what was done.</summary>
    Compensate,

    /// <summary>It goes on without the event. Handlers behind it get null for it.</summary>
    Continue,
}
