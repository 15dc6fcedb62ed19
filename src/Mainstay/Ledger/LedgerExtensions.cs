using Mainstay.Internal;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Mainstay;

/// <summary>A ledger for any application, and within units of work.</summary>
public static class LedgerExtensions
{
    /// <summary>
    /// Adds a <see cref="Ledger"/>, a step at the start that creates the schema <c>mainstay</c> and declares the currencies, and what folds deferred accounts and releases expired holds; nothing else.
    /// </summary>
    /// <param name="services">The services of the application.</param>
    /// <param name="options">The currencies, at least.</param>
    /// <exception cref="ConfigurationException">MST2901: an option is out of range, or a ledger is added twice.</exception>
    public static IServiceCollection AddLedger(this IServiceCollection services, LedgerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Mistakes() is { Count: > 0 } mistakes)
            throw new ConfigurationException(mistakes);
        Database DatabaseOf(BlockDatabases databases) => databases.Get(options.ConnectionString, "MST2901", nameof(LedgerOptions));
        BlockSchema.Add(services, databases => DatabaseOf(databases));
        services.TryAddSingleton(TimeProvider.System);
        return AddLedger(services, options, provider => new Transactor(DatabaseOf(provider.GetRequiredService<BlockDatabases>()), new Tables([]), new MessageCatalogue(), new JobDesk()));
    }

    /// <summary>Answers refusals of the ledger, and every other <see cref="ProblemException"/> of the endpoint, as problem documents with their code and status.</summary>
    public static TBuilder WithLedgerProblems<TBuilder>(this TBuilder endpoint) where TBuilder : IEndpointConventionBuilder
    {
        endpoint.AddEndpointFilter(async (invocation, next) =>
        {
            try
            {
                return await next(invocation);
            }
            catch (ProblemException problem)
            {
                return new ProblemAnswer(problem);
            }
        });
        return endpoint;
    }

    /// <summary>The ledger within this unit of work: its calls run at once and commit with it.</summary>
    public static Ledger Ledger(this UnitOfWork work)
    {
        ArgumentNullException.ThrowIfNull(work);
        return new Ledger(new LedgerInUnitOfWork(work, null));
    }

    /// <summary>
    /// Records a transfer that is sent with the commit of this unit of work, as the last thing: its accounts are locked for the time of the commit and no longer. A refusal, such as
    /// <c>insufficient-funds</c>, is the answer of the call, and nothing of it is committed.
    /// </summary>
    /// <exception cref="ProblemException">What is wrong with it whatever there is on the accounts: <c>invalid-amount</c>, <c>unbalanced-transfer</c>.</exception>
    public static void Transfer(this UnitOfWork work, LedgerTransfer transfer)
    {
        ArgumentNullException.ThrowIfNull(work);
        ArgumentNullException.ThrowIfNull(transfer);
        transfer.Check();
        work.Late<LateTransfers>().Add(transfer, work.Origin);
    }

    internal static IServiceCollection AddLedger(IServiceCollection services, LedgerOptions options, Func<IServiceProvider, Transactor> transactor)
    {
        if (services.Any(service => service.ServiceType == typeof(Ledger)))
            throw new ConfigurationException("MST2901", "A ledger is added twice, and only one of its options could count. Call AddLedger once.");
        services.AddSingleton(provider => new Ledger(new LedgerAlone(transactor(provider))));
        return services.AddHostedService(provider => new LedgerService(transactor(provider).Database, options, provider.GetRequiredService<ILogger<LedgerService>>()));
    }
}
