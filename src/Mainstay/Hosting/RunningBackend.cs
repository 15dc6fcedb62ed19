using System.Collections.Frozen;
using System.Net.Sockets;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// A backend that serves. Comes up in the order sign-in, database, schema, seeds, HTTP; goes down in the reverse order, so that requests in flight
/// still find their database.
/// </summary>
internal sealed class RunningBackend : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _parts = new();

    private RunningBackend(BackendModel model) => Model = model;

    public BackendModel Model { get; }

    public WebApplication App { get; private set; } = null!;

    public BackendServices Services { get; private set; } = null!;

    public DevelopmentKeys? DevelopmentKeys { get; private set; }

    /// <summary>The first address it listens on.</summary>
    public string Address => Addresses.First();

    private ICollection<string> Addresses => App.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;

    /// <exception cref="ConfigurationException">What keeps it from starting.</exception>
    public static async Task<RunningBackend> StartAsync(Backend backend)
    {
        var running = new RunningBackend(BackendModel.Build(backend));
        try
        {
            await running.StartPartsAsync(backend);
            return running;
        }
        catch
        {
            await running.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns when the process has been told to stop (SIGTERM, Ctrl-C) and requests in flight have ended.</summary>
    public Task WaitForShutdownAsync() => App.WaitForShutdownAsync();

    public async ValueTask DisposeAsync()
    {
        while (_parts.TryPop(out var part))
            await part.DisposeAsync();
    }

    private async Task StartPartsAsync(Backend backend)
    {
        var schema = SchemaMode.Check;
        var longRunning = new LongRunningOptions();
        var idempotency = new IdempotencyOptions();
        var isCoalescing = true;
        var queues = new QueueOptions();
        TimeSpan? auditRetention = null;
        CheckSettings(
            () => backend.Wire.Check(),
            () => Settings.Check(backend.Configuration),
            () => ServerLimits.Check(backend.Configuration),
            () => TrustedProxies.Check(backend.Configuration),
            () => schema = SchemaSetting.Of(backend.Configuration, backend.Builder.Environment),
            () => UseCors(backend),
            () => RateLimitDefaults(RateLimitSetting.Of(backend.Configuration)),
            () => longRunning = LongRunningOptions.Of(backend.Configuration),
            () => isCoalescing = ReadSetting.Of(backend.Configuration),
            () => idempotency = IdempotencySettings.Of(backend.Configuration),
            () => queues = QueueOptions.Of(backend.Configuration) with { KeepsHistory = backend.Surroundings.KeepsHistory },
            () => backend.Dependencies.Register(backend.Services, backend.Configuration),
            () => auditRetention = AuditSettings.RetentionOf(backend.Configuration),
            () => ListenAddresses.Check(backend.Configuration["urls"]),
            () => DevelopmentKeys = SignIn.Prepare(backend, Model));
        using var logging = LoggerFactory.Create(ConsoleLog.Use);
        if (backend.Surroundings.FindDatabase is { } find)
            backend.Configuration[$"ConnectionStrings:{DatabaseStart.ConnectionStringName}"] = await find(Model);
        var server = await DatabaseStart.RunAsync(backend, logging, CancellationToken.None);
        _parts.Push(server);
        var database = new Database(server.ConnectionString, backend.Name, backend.Surroundings.Clock) { LeaseClock = backend.Surroundings.LeaseClock, Faults = backend.Surroundings.Faults };
        _parts.Push(database);
        database.Apart.OpenAhead();
        var report = await DatabaseStart.PatientlyAsync(() => SchemaStart.RunAsync(database.Source, Model.Tables.Models, schema, logging.CreateLogger<SchemaReport>(), CancellationToken.None));

        var desk = new JobDesk();
        var transactor = new Transactor(database, Model.Tables, backend.Messages, desk);
        await SeedStart.RunAsync(backend, transactor, backend.Builder.Environment.IsDevelopment(), logging);
        var keys = new SharedKeys(database, database.Clock);
        await DatabaseStart.PatientlyAsync(() => keys.RenewAsync(CancellationToken.None));
        Services = new BackendServices
        {
            Name = backend.Name,
            Database = database,
            Transactor = transactor,
            Desk = desk,
            Reads = new Reads(database, isCoalescing),
            Receipts = new Receipts(database, idempotency.Lifetime, idempotency.AnswerBytesMost),
            Format = backend.Wire,
            LongRunning = new LongRunning(new OperationStore(database, longRunning.Lease, longRunning.Retention), longRunning),
            Keys = keys,
            Resources = backend.Resources.ToFrozenDictionary(resource => resource.Table.RowType),
        };
        foreach (var command in Model.Operations.OfType<CommandOperation>().Where(command => command.IsCoalesced))
            command.Group = new GroupCommits(database);
        foreach (var resource in backend.Resources)
            resource.Shape = ETags.ShapeOf(resource.Table, Services.Format);
        App = Build(backend, transactor, desk, queues, new AuditPartitions(database, auditRetention));
        _parts.Push(App);
        await ListenAsync();
        await Banner.PrintAsync(backend, Model, Addresses, server, DevelopmentKeys, report, database);
    }

    /// <summary>Everything that can be found wrong before anything is started, at once.</summary>
    private static void CheckSettings(params ReadOnlySpan<Action> checks)
    {
        var mistakes = new List<ConfigurationException>();
        foreach (var check in checks)
            try
            {
                check();
            }
            catch (ConfigurationException mistake)
            {
                mistakes.Add(mistake);
            }
        if (mistakes.Count > 0)
            throw new ConfigurationException(mistakes);
    }

    private static void UseCors(Backend backend)
    {
        if (CorsSetting.Of(backend.CorsOrigins, backend.Configuration) is not { } policy)
            return;
        backend.Services.AddCors();
        backend.Services.AddSingleton(provider => new CorsHeaders(policy, provider.GetRequiredService<ICorsService>()));
    }

    private void RateLimitDefaults(RateLimits? limits)
    {
        foreach (var operation in Model.Operations)
            operation.RateLimits ??= limits;
    }

    private WebApplication Build(Backend backend, Transactor transactor, JobDesk desk, QueueOptions queues, AuditPartitions audit)
    {
        backend.Services.AddSingleton(Services);
        backend.Services.AddSingleton<OperationPipeline>();
        backend.Services.AddSingleton(new RateLimitStore(Services.Database));
        backend.Services.AddSingleton<RateLimiter>();
        backend.Services.AddSingleton(provider => new Authenticator(DevelopmentKeys, provider.GetService<IAuthenticationSchemeProvider>(), provider.GetService<SignatureNonces>() is not null));
        backend.Services.AddSingleton(new Outbox(backend.Messages, desk));
        backend.Services.AddSingleton(new Jobs(backend.Messages, desk, transactor, backend.Problems));
        backend.Services.AddSingleton(new Sagas(transactor, backend.Sagas, desk));
        backend.Services.AddSingleton(new Inbox(backend.Queues, transactor, queues.KeepInbox));
        backend.Services.AddSingleton(new Schedules(new ScheduleStore(Services.Database), backend.Queues, desk));
        backend.Services.AddSingleton(new QueueChecker(Services.Database, queues, backend.Queues));
        backend.Services.AddSingleton(new DeadLetters(transactor, backend.Queues, desk, queues));
        if (backend.Sagas.Families.Count > 0)
            backend.Services.AddHostedService(provider => new SagaWatch(transactor, backend.Sagas, provider.GetRequiredService<ILogger<SagaWatch>>()));
        backend.Services.AddHostedService(provider => QueueBlock.CreateService(provider, transactor, backend.Queues, desk, queues));
        backend.Services.AddHostedService(provider => new ReceiptSweeper(Services.Receipts, provider.GetRequiredService<ILogger<ReceiptSweeper>>()));
        backend.Services.AddHostedService(provider => new AuditKeeper(audit, provider.GetRequiredService<ILogger<AuditKeeper>>()));
        if (Model.Operations.Any(operation => operation.RateLimits is not null))
            backend.Services.AddHostedService<RateLimitSweeper>();
        if (Model.Operations.OfType<LongRunningCommand>().ToArray() is { Length: > 0 } commands)
            backend.Services.AddHostedService(provider => new LongRunningWorker(Services, commands, provider.GetRequiredService<IServiceScopeFactory>(), provider.GetRequiredService<ILogger<LongRunningWorker>>()));
        backend.Services.AddHostedService(provider => new SharedKeysRenewal(Services.Keys, provider.GetRequiredService<ILogger<SharedKeysRenewal>>()));
        if (backend.Configuration["urls"] is null && backend.Configuration["http_ports"] is null && !backend.Configuration.GetSection("Kestrel:Endpoints").Exists())
            backend.Builder.WebHost.UseUrls("http://localhost:5000");
        if (backend.IsStrict)
            backend.Builder.WebHost.ConfigureKestrel(server => server.RequestHeaderEncodingSelector = DigitsOnlyEncoding.Select);
        var app = backend.Builder.Build();
        HttpEndpoints.Map(app, backend, Model, Services);
        OpenApiEndpoints.Map(app, backend, Model);
        return app;
    }

    /// <exception cref="ConfigurationException">MST1010: the address is taken. MST1012: it cannot be listened on.</exception>
    private async Task ListenAsync()
    {
        try
        {
            await App.StartAsync();
        }
        catch (IOException e) when (e.InnerException is AddressInUseException)
        {
            throw new ConfigurationException("MST1010", $"{e.Message.TrimEnd('.')}. Another program listens there already: stop it, or choose another address with --urls http://localhost:5001.", e);
        }
        catch (Exception e) when (ListenAddresses.IsRefusal(e))
        {
            throw ListenAddresses.Refused(e);
        }
    }
}
