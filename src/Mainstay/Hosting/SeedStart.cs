using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>Runs seeds that have not run on this database, each in one transaction with the note that it has.</summary>
internal static partial class SeedStart
{
    public static async Task RunAsync(Backend backend, Transactor transactor, bool isDevelopment, ILoggerFactory logging)
    {
        if (!isDevelopment)
            return;
        var log = logging.CreateLogger<Seed>();
        foreach (var seed in backend.Seeds)
        {
            var request = new TransactionRequest(User.System($"seed {seed.Name}"), new Origin($"seed {seed.Name}", "system", null, null, null, null),
                Deadline.After(TimeSpan.FromMinutes(5), transactor.Database.Clock), CancellationToken.None)
            {
                IsKeyed = true,     // by the row of the seed
            };
            var isNew = await DatabaseStart.PatientlyAsync(() => transactor.RunAsync(request, async work =>
            {
                // The row is the lock: a second node that starts now waits here, then finds it.
                if (await work.ExecuteAsync($"insert into mainstay.seeds (name) values ({seed.Name}) on conflict do nothing") == 0)
                    return new Completed<bool>(false, null);
                await seed.Fill(work);
                return new Completed<bool>(true, null);
            }));
            if (isNew)
                Seeded(log, seed.Name);
        }
    }

    [LoggerMessage(30, LogLevel.Information, "Seeded '{Seed}'.")]
    private static partial void Seeded(ILogger log, string seed);
}
