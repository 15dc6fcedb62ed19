using Mainstay.Internal;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mainstay;

/// <summary>
/// A PostgreSQL for any ASP.NET Core application: the server that the connection string <c>mainstay</c> names, or without one a private server that this
/// process starts and stops. Start it first and dispose it last: <c>await using var postgres = await PrivatePostgres.StartAsync(builder);</c>
/// </summary>
public sealed class PrivatePostgres : IAsyncDisposable
{
    private readonly DatabaseStart _server;
    private readonly ILoggerFactory _logging;

    private PrivatePostgres(DatabaseStart server, ILoggerFactory logging)
    {
        _server = server;
        _logging = logging;
    }

    /// <summary>Logs in to the application's database, as a role that owns it and is no superuser. Stays valid while the server is started again after a crash.</summary>
    public string ConnectionString => _server.ConnectionString;

    /// <summary>False when a connection string named a server, so that nothing was started.</summary>
    public bool IsPrivate => _server.IsPrivate;

    /// <summary>For a greeting: which version, where.</summary>
    public string Description => _server.Description;

    /// <summary>
    /// Returns when the database takes connections, and sets the connection string <c>mainstay</c> of the application to it. The data stays in the folder
    /// <c>.mainstay</c> beside the application, or in <c>Mainstay:DataFolder</c>, and is found again by the next start.
    /// </summary>
    /// <param name="builder">Gives the application's name, which names the database, its configuration, and its folder.</param>
    /// <param name="cancellation">Ends the start.</param>
    /// <exception cref="ConfigurationException">MST11xx: the server cannot be started or reached; the message says what to do.</exception>
    public static async Task<PrivatePostgres> StartAsync(IHostApplicationBuilder builder, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var logging = LoggerFactory.Create(logs => logs.AddConfiguration(builder.Configuration.GetSection("Logging")).AddSimpleConsole());
        try
        {
            // A program that is run from its source file has the folder of that file, wherever it is called from.
            var folder = DatabaseStart.DataFolder(builder.Configuration, DevelopmentStart.SourceFolder ?? builder.Environment.ContentRootPath);
            var server = await DatabaseStart.RunAsync(builder.Environment.ApplicationName, folder, builder.Configuration, logging, cancellation);
            builder.Configuration[$"ConnectionStrings:{DatabaseStart.ConnectionStringName}"] = server.ConnectionString;
            return new PrivatePostgres(server, logging);
        }
        catch
        {
            logging.Dispose();
            throw;
        }
    }

    /// <summary>Stops the private server, unless another process still uses it.</summary>
    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _logging.Dispose();
    }
}
