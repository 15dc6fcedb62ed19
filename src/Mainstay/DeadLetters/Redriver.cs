using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// Goes on with redrives, on every node: the row of a redrive says when its next few letters are due, and whoever comes first locks it and does them. A node that
/// dies in a step has changed nothing; the next one begins where it is.
/// </summary>
internal sealed class Redriver(Transactor transactor, JobDesk desk, ILogger log)
{
    private static readonly TimeSpan stepTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Whoever begins a redrive wakes its node, and the others learn of it when they renew their leases.</summary>
    private static readonly TimeSpan untilWoken = TimeSpan.FromHours(1);

    private readonly Hint _hint = new();

    private TimeProvider Clock => transactor.Database.Clock;

    public void Wake() => _hint.Raise();

    public async Task RunAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
            await _hint.WaitAsync(await TurnAsync(stopping), Clock, stopping);
    }

    /// <returns>How long there is nothing to do.</returns>
    private async Task<TimeSpan> TurnAsync(CancellationToken stopping)
    {
        while (true)
        {
            if (await DeadLetterStore.NextStepAsync(transactor.Database, stopping) is not { } left)
                return untilWoken;
            if (left > TimeSpan.Zero)
                return left;
            var request = new TransactionRequest(User.System("redrive"), new Origin("redrive", "system", null, null, null, null), Deadline.After(stepTimeout, Clock), stopping);
            var moved = await transactor.RunAsync(request, async work => new Completed<Redrive?>(await DeadLetterStore.StepAsync(work)));
            if (moved is null)
                return TimeSpan.FromMilliseconds(100);      // another node is at it
            desk.Wake();
            if (moved.Status == RedriveStatus.Done)
                QueueLog.Redriven(log, moved.Id, moved.StartedBy, moved.Redriven);
        }
    }
}
