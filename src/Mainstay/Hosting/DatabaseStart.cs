using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>The database that the application runs on: a private server, or the one that a connection string names.</summary>
internal sealed class DatabaseStart : IAsyncDisposable
{
    /// <summary>Name of the connection string, in the environment <c>ConnectionStrings__mainstay</c>.</summary>
    public const string ConnectionStringName = "mainstay";

    private readonly EmbeddedServer? _embedded;

    private DatabaseStart(string connectionString, string description, EmbeddedServer? embedded)
    {
        ConnectionString = connectionString;
        Description = description;
        _embedded = embedded;
    }

    public string ConnectionString { get; }

    public bool IsPrivate => _embedded is not null;

    /// <summary>For the banner: which server, where.</summary>
    public string Description { get; }

    /// <summary>Where the application keeps what belongs to this machine: <c>.mainstay</c> beside the app, unless <c>Mainstay:DataFolder</c> says otherwise.</summary>
    public static string DataFolder(Backend backend) =>
        DataFolder(backend.Configuration, backend.Builder.Environment.ContentRootPath);

    public static string DataFolder(IConfiguration configuration, string root) => Path.GetFullPath(configuration["Mainstay:DataFolder"] ?? ".mainstay", root);

    /// <exception cref="ConfigurationException">MST11xx: the server cannot be started or reached.</exception>
    public static Task<DatabaseStart> RunAsync(Backend backend, ILoggerFactory logging, CancellationToken cancellation) =>
        RunAsync(backend.Name, DataFolder(backend), backend.Configuration, logging, cancellation);

    /// <param name="name">The application's, which names its database.</param>
    /// <param name="folder">Where the private server keeps its data.</param>
    /// <param name="configuration">Says which server, or how to run the private one.</param>
    /// <param name="logging">For the server's own log lines.</param>
    /// <param name="cancellation">Ends the start.</param>
    public static async Task<DatabaseStart> RunAsync(string name, string folder, IConfiguration configuration, ILoggerFactory logging, CancellationToken cancellation)
    {
        if (configuration.GetConnectionString(ConnectionStringName) is { Length: > 0 } connectionString)
        {
            var verified = await ServerConnection.VerifyAsync(connectionString, cancellation);
            return new DatabaseStart(connectionString, $"PostgreSQL {verified.Version}, database {verified.Database}", null);
        }
        var server = await EmbeddedServer.StartAsync(new EmbeddedServerOptions
        {
            Name = name,
            DataFolder = folder,
            Binaries = configuration["Mainstay:Postgres:Binaries"],
            Account = configuration["Mainstay:Postgres:Account"],
            Progress = Banner.Progress,
        }, logging.CreateLogger<EmbeddedServer>(), TimeProvider.System, cancellation);
        return new DatabaseStart(server.ConnectionString, $"PostgreSQL {server.Version}, private, in {folder}", server);
    }

    public ValueTask DisposeAsync() => _embedded?.DisposeAsync() ?? ValueTask.CompletedTask;
}
