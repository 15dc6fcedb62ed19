using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Compares what is declared with what is open, at the start. Then finds the sagas that stand until somebody decides, also those that were not told so, and says it when there are more than before.</summary>
internal sealed class SagaWatch(Transactor transactor, SagaModel model, ILogger<SagaWatch> log) : PeriodicService(TimeSpan.FromSeconds(15), transactor.Database.Clock), IHostedLifecycleService
{
    /// <summary>How many turns look at all letters: what died just before all nodes stopped, however long ago, is not found otherwise. More than one, because what somebody holds is passed over.</summary>
    private const int WholeTurns = 4;

    /// <summary>How far the other turns look back.</summary>
    private static readonly TimeSpan lately = TimeSpan.FromHours(1);

    private readonly Dictionary<string, long> _known = [];

    private int _wholeTurns;

    protected override bool StartsAtOnce => true;

    /// <exception cref="ConfigurationException">MST3105: a definition was changed while instances of it are open.</exception>
    public Task StartingAsync(CancellationToken cancellationToken) => model.CheckAsync(transactor, log, cancellationToken);

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    protected override async Task TurnAsync(CancellationToken stopping)
    {
        if (await SagaStore.StopForgottenAsync(transactor.Database, _wholeTurns < WholeTurns ? SagaSql.Ever : lately, stopping) < SagaSql.StoppedMost)
            _wholeTurns++;
        var found = new Dictionary<string, long>();
        await using (var command = transactor.Database.Source.CreateCommand(SagaSql.CountStuck))
        await using (var reader = await command.ExecuteReaderAsync(stopping))
            while (await reader.ReadAsync(stopping))
                found[reader.GetString(0)] = reader.GetInt64(1);
        foreach (var saga in model.Families.Select(family => family.Name))
        {
            var count = found.GetValueOrDefault(saga);
            if (count > _known.GetValueOrDefault(saga))
                SagaLog.Stuck(log, count, saga);
            _known[saga] = count;
            SagaMetrics.Stuck(saga, count);
        }
    }

    protected override void LogPostponed(Exception error) => SagaLog.NotWatched(log, error);
}
