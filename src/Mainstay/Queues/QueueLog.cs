using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

internal static partial class QueueLog
{
    [LoggerMessage(20, LogLevel.Warning, "'{Handler}' could not handle {Id} (attempt {Attempt} of {Most}).")]
    public static partial void Failed(ILogger log, string handler, Guid id, int attempt, int most, Exception error);

    [LoggerMessage(21, LogLevel.Warning, "The queues cannot be read at the moment; trying again.")]
    public static partial void Unavailable(ILogger log, Exception error);

    [LoggerMessage(22, LogLevel.Warning, "MST2103: {Count} rows of mainstay.jobs wait for '{Handler}', which this application does not declare. Unless another one does, declare it again, or delete them: delete from mainstay.jobs where handler = '…'.")]
    public static partial void Orphans(ILogger log, long count, string handler);

    [LoggerMessage(23, LogLevel.Warning, "How '{Handler}' ended with {Id} could not be recorded; trying again.")]
    public static partial void NotRecorded(ILogger log, string handler, Guid id, Exception error);

    [LoggerMessage(24, LogLevel.Error, "The lease of this node could not be renewed in time. Its {Running} handlers are cancelled, because others may begin them again.")]
    public static partial void LeaseLost(ILogger log, int running);

    [LoggerMessage(25, LogLevel.Warning, "A node died with {Id} of '{Handler}'. It runs again, alone if it may have been the cause.")]
    public static partial void Reaped(ILogger log, Guid id, string handler);

    [LoggerMessage(26, LogLevel.Error, "{Id} of '{Handler}' has taken several processes with it. It is a dead letter now.")]
    public static partial void Crashed(ILogger log, Guid id, string handler);

    [LoggerMessage(27, LogLevel.Warning, "'{Handler}' did not hold {Id} any more when it wanted to commit; its effect was refused. Another node has taken it over, or an earlier commit of this run, whose answer was lost, has ended it.")]
    public static partial void Fenced(ILogger log, string handler, Guid id);

    [LoggerMessage(28, LogLevel.Warning, "Partitions of the history could not be made or dropped; trying again in an hour.")]
    public static partial void PartitionsPostponed(ILogger log, Exception error);

    [LoggerMessage(29, LogLevel.Error, "'{Handler}' was to be done with {Id} within {Most}. It is a dead letter now.")]
    public static partial void Expired(ILogger log, string handler, Guid id, TimeSpan most);

    [LoggerMessage(30, LogLevel.Warning, "MST2506: '{Handler}' goes on with {Id} although its timeout of {Timeout} is over. It keeps its slot until it ends; let it await with the cancellation token that it is given.")]
    public static partial void Stuck(ILogger log, string handler, Guid id, TimeSpan timeout);

    [LoggerMessage(31, LogLevel.Error, "MST2506: {Count} handlers go on although the node stops: {Handlers}. Their work is taken over when the lease of this node is over.")]
    public static partial void Abandoned(ILogger log, int count, string handlers);

    [LoggerMessage(32, LogLevel.Information, "'{Handler}' could not handle {Count} together; each half is tried by itself.")]
    public static partial void Halved(ILogger log, string handler, int count, Exception error);

    [LoggerMessage(33, LogLevel.Information, "'{Handler}' was not run with {Id}: it was asked for within {Within}, and nobody waits any more.")]
    public static partial void NotAwaited(ILogger log, string handler, Guid id, TimeSpan within);

    [LoggerMessage(40, LogLevel.Information, "Redrive {Id} of {Actor} is done: {Count} dead letters were enqueued again.")]
    public static partial void Redriven(ILogger log, Guid id, string actor, int count);

    [LoggerMessage(41, LogLevel.Warning, "MST2521: The {Kind} {Name} has kept an old view of the data for {Age}, so rows that are gone cannot be removed and queues get slower. Application '{Application}', last statement: {Query}. End it, if it is not wanted.")]
    public static partial void HeldSnapshot(ILogger log, string kind, string name, TimeSpan age, string application, string query);

    [LoggerMessage(42, LogLevel.Debug, "How the queues are could not be looked at.")]
    public static partial void NotWatched(ILogger log, Exception error);
}
