namespace Mainstay.Internal;

/// <summary>What a handler is a part of, such as a saga, where that wants more than to be called: it then says itself how a job is run, and what it means when all attempts have failed.</summary>
internal interface IJobPart
{
    /// <summary>Whether effect and acknowledgement are one commit.</summary>
    bool IsTransactional { get; }

    IJobPartRun Begin(ClaimedJob job, JobRunServices services);
}

/// <summary>One run of such a job, or of one that somebody waits for.</summary>
internal interface IJobPartRun
{
    /// <summary>The longest time until the next attempt, once it has run; null for any.</summary>
    TimeSpan? Left { get; }

    /// <summary>Runs it, and ends the job.</summary>
    /// <param name="request">What it is run for and within.</param>
    /// <param name="input">What the payload was read as, if the handler says so.</param>
    /// <param name="ending">Cancelled when the run is ended from outside, and not when its time is over.</param>
    Task RunAsync(TransactionRequest request, object? input, CancellationToken ending);

    /// <summary>Called when it is recorded that it shall run again after a pause: what it is a part of may have changed its mind meanwhile.</summary>
    Task RetriedAsync();

    /// <summary>Whether no further attempt could do better.</summary>
    bool IsFinal(Exception error);

    /// <summary>Whether all attempts having failed is something that the whole goes on with. Else the job is a dead letter.</summary>
    bool CanGiveUp { get; }

    /// <summary>Goes on without it, and ends the job.</summary>
    /// <returns>False when another node has taken it over.</returns>
    Task<bool> GiveUpAsync(Exception error, string text);
}
