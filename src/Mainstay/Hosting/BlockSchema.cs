using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// Prepares the databases of blocks that are used alone, once for all of them and before any other hosted service starts. It knows Mainstay's own tables
/// only; those of the application are none of its business.
/// </summary>
internal sealed class BlockSchema(IServiceProvider services, BlockDatabases databases, IEnumerable<BlockDatabase> blocks, IConfiguration configuration, IHostEnvironment environment, ILogger<BlockSchema> log) : IHostedLifecycleService
{
    public static void Add(IServiceCollection services, Action<BlockDatabases> use)
    {
        services.AddSingleton(new BlockDatabase(use));
        services.TryAddSingleton<BlockDatabases>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, BlockSchema>());
    }

    /// <exception cref="ConfigurationException">MST15xx: the database cannot be used as it is.</exception>
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        if (services.GetService<BackendServices>() is not null)
            return Task.CompletedTask; // a backend has prepared its one database already
        foreach (var block in blocks)
            block.Use(databases);
        return databases.PrepareAsync(SchemaSetting.Of(configuration, environment), log, cancellationToken);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>A block that needs a database prepared.</summary>
internal sealed record BlockDatabase(Action<BlockDatabases> Use);
