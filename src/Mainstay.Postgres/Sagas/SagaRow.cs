namespace Mainstay.Internal;

/// <summary>The row of an open saga.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Saga">The stored name.</param>
/// <param name="Version">The version of the definition that it goes by.</param>
/// <param name="Shape">The digest of that definition.</param>
/// <param name="Key">What events find it by.</param>
/// <param name="Status">How it stands.</param>
/// <param name="Input">What began it, as JSON.</param>
/// <param name="State">Its <see cref="SagaState"/> as JSON.</param>
/// <param name="Moves">How often that was written.</param>
/// <param name="Left">How long it is to the deadline, by the clock of the database; null without one.</param>
/// <param name="Now">What that clock shows.</param>
internal sealed record SagaRow(Guid Id, string Saga, int Version, string Shape, string Key, SagaStatus Status, string Input, string State, int Moves, TimeSpan? Left, DateTimeOffset Now)
{
    /// <summary>When it was so, by the clock of this process.</summary>
    public DateTimeOffset ReadAt { get; init; }

    public bool IsLate => Left <= TimeSpan.Zero;

    /// <summary>The same row later, if nobody has moved it: the clock of the database goes on as that of this process does.</summary>
    public SagaRow At(DateTimeOffset now)
    {
        var since = now > ReadAt ? now - ReadAt : TimeSpan.Zero;
        return this with { Left = Left - since, Now = Now + since, ReadAt = now };
    }
}

/// <summary>A job that was taken away from a saga before it ran, or between two of its attempts.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Fence">How often it was claimed: attempts are given back by shutdowns and outages, and what they did outside is not.</param>
internal sealed record Withdrawn(Guid Id, int Fence);

/// <summary>An event that came before its saga.</summary>
internal sealed record ParkedEvent(string Item, string Payload, DateTimeOffset ArrivedAt);

/// <summary>A job of a saga that is dead.</summary>
internal sealed record SagaLetter(Guid Id, bool IsDiscarded);
