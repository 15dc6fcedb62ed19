using System.Collections.Frozen;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Turns declarations into a running process, and takes it down again in the reverse order.</summary>
internal static class BackendHost
{
    public static WebApplicationBuilder CreateBuilder(string name, string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            Args = args,
            EnvironmentName = DevelopmentStart.EnvironmentName(),
            ContentRootPath = DevelopmentStart.SourceFolder ?? Directory.GetCurrentDirectory(),
        });
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(server =>
        {
            server.AddServerHeader = false;
            server.Limits.MaxRequestBodySize = OperationDefaults.BodyBytesMost;
            server.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(30));
        builder.Services.AddSingleton(TimeProvider.System);
        ConsoleFormat.Use(builder.Logging, name);
        return builder;
    }

    public static async Task<int> RunAsync(Backend backend)
    {
        try
        {
            var model = BackendModel.Build(backend);
            if (SchemaCommand.IsAsked(backend))
                return SchemaCommand.Print(model);
            await ServeAsync(backend, model);
            return 0;
        }
        catch (ConfigurationException mistake)
        {
            await Console.Error.WriteLineAsync(mistake.Message);
            return 1;
        }
    }

    private static async Task ServeAsync(Backend backend, BackendModel model)
    {
        var environment = backend.Builder.Environment;
        var keys = SignIn.Prepare(backend, model);
        using var logging = LoggerFactory.Create(logs => ConsoleFormat.Use(logs, backend.Name));
        await using var server = await DatabaseStart.RunAsync(backend, logging, CancellationToken.None);
        await using var database = new Database(Database.CreateSource(server.ConnectionString, backend.Name), TimeProvider.System);
        var report = await DatabaseStart.ApplySchemaAsync(backend, model, database, logging);

        var signal = new OutboxSignal();
        var transactor = new Transactor(database, model.Tables, backend.Events, signal);
        await SeedStart.RunAsync(backend, transactor, environment.IsDevelopment(), logging);
        var services = new BackendServices
        {
            Name = backend.Name,
            Database = database,
            Transactor = transactor,
            Receipts = new Receipts(database, TimeSpan.FromHours(24)),
            Format = new WireFormat(),
            Cursors = new CursorCodec(await SharedKeys.GetAsync(database, "cursor")),
            Resources = backend.Resources.ToFrozenDictionary(resource => resource.Table.RowType),
        };

        backend.Services.AddSingleton(services);
        backend.Services.AddSingleton<OperationPipeline>();
        backend.Services.AddSingleton(new Authenticator(keys));
        backend.Services.AddHostedService(provider => new OutboxDispatcher(transactor, backend.Subscriptions, signal,
            provider.GetRequiredService<IServiceScopeFactory>(), provider.GetRequiredService<ILogger<OutboxDispatcher>>()));
        backend.Services.AddHostedService(provider => new ReceiptSweeper(services.Receipts, database.Clock, provider.GetRequiredService<ILogger<ReceiptSweeper>>()));
        if (backend.Configuration["urls"] is null && backend.Configuration["http_ports"] is null && !backend.Configuration.GetSection("Kestrel:Endpoints").Exists())
            backend.Builder.WebHost.UseUrls("http://localhost:5000");

        await using var app = backend.Builder.Build();
        HttpEndpoints.Map(app, backend, model, services);
        try
        {
            await app.StartAsync();
        }
        catch (IOException e) when (e.InnerException is AddressInUseException or SocketException)
        {
            throw new ConfigurationException("MST1010", $"{e.Message.TrimEnd('.')}. Another program listens there already: stop it, or choose another address with --urls http://localhost:5001.", e);
        }
        await Banner.PrintAsync(backend, model, app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses, server, keys, report, database);
        // From here on SIGTERM and Ctrl-C stop accepting, let requests in flight finish, and only then is the database let go.
        await app.WaitForShutdownAsync();
    }
}

/// <summary>Keys that all nodes of an application share, made by whichever comes first.</summary>
internal static class SharedKeys
{
    public static async Task<byte[]> GetAsync(Database database, string name)
    {
        await using var command = database.Source.CreateCommand("""
            with made as (insert into mainstay.keys (name, value) values ($1, $2) on conflict (name) do nothing returning value)
            select value from made union all select value from mainstay.keys where name = $1 limit 1
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = RandomNumberGenerator.GetBytes(32) });
        // Two nodes at once: the loser's insert does nothing and its snapshot does not see the winner's row yet; the next statement does.
        return (byte[]?)await command.ExecuteScalarAsync() ?? (byte[])(await command.ExecuteScalarAsync())!;
    }
}
