using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>The database that the application runs on: a private server, or the one that a connection string names.</summary>
internal sealed class DatabaseStart : IAsyncDisposable
{
    /// <summary>Name of the connection string, in the environment <c>ConnectionStrings__mainstay</c>.</summary>
    public const string ConnectionStringName = "mainstay";

    private static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

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

    /// <summary>
    /// Runs a step of the start again when the database goes away under it: a private server that died is back within a second or two. The steps
    /// find out by themselves what an earlier run has done.
    /// </summary>
    /// <exception cref="ConfigurationException">MST1133: it stays away.</exception>
    public static async Task<T> PatientlyAsync<T>(Func<Task<T>> step)
    {
        for (var began = TimeProvider.System.GetTimestamp(); ; await Task.Delay(TimeSpan.FromMilliseconds(100)))
            try
            {
                return await step();
            }
            catch (Exception e) when (IsOutage(e))
            {
                if (TimeProvider.System.GetElapsedTime(began) is var waited && waited > patience)
                    throw new ConfigurationException("MST1133", $"PostgreSQL went away during the start and has not come back within {waited.TotalSeconds:0} s: {e.Message} Look into the server's log, then start again.", e);
            }
    }

    private static bool IsOutage(Exception e) => e is NpgsqlException
        ? DatabaseErrors.IsUnavailable(e)
        : e is ProblemException { Type: var type } && (type == ProblemCatalogue.DatabaseUnavailable || type == ProblemCatalogue.OutcomeUnknown);

    public ValueTask DisposeAsync() => _embedded?.DisposeAsync() ?? ValueTask.CompletedTask;
}
