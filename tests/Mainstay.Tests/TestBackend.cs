using System.Net.Sockets;
using System.Text;
using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>A declared backend that runs in this process, behind real HTTP and on a real database. What a test does to it, a stranger could do too, except for the SQL.</summary>
internal sealed class TestBackend : IAsyncDisposable
{
    private readonly TemporaryFolder _folder;
    private readonly NpgsqlDataSource _source;
    private readonly SocketsHttpHandler _handler = new() { AutomaticDecompression = System.Net.DecompressionMethods.None, UseCookies = false, AllowAutoRedirect = false };

    private TestBackend(RunningBackend running, string connectionString, TemporaryFolder folder, RecordedLogs logs)
    {
        Running = running;
        ConnectionString = connectionString;
        Logs = logs;
        _folder = folder;
        _source = new NpgsqlDataSourceBuilder(new NpgsqlConnectionStringBuilder(connectionString) { ApplicationName = "test", MaxPoolSize = 4 }.ConnectionString).Build();
        Http = new HttpClient(_handler) { BaseAddress = new Uri(running.Address), Timeout = TimeSpan.FromSeconds(60) };
        Anonymous = new Caller(Http, null, logs);
    }

    public RunningBackend Running { get; }

    public string ConnectionString { get; }

    public RecordedLogs Logs { get; }

    public HttpClient Http { get; }

    public Caller Anonymous { get; }

    /// <param name="connectionString">The database.</param>
    /// <param name="declare">The declarations.</param>
    /// <param name="settings">More of the command line, for example <c>--environment Production</c>. Later ones win.</param>
    public static async Task<TestBackend> StartAsync(string connectionString, Action<Backend> declare, params string[] settings)
    {
        var folder = new TemporaryFolder();
        try
        {
            var logs = new RecordedLogs();
            return new TestBackend(await RunningBackend.StartAsync(Declare(connectionString, folder.Path, declare, logs, settings)), connectionString, folder, logs);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>The message of a start that is refused.</summary>
    public static async Task<string> RefuseAsync(string connectionString, Action<Backend> declare, params string[] settings) =>
        (await Should.ThrowAsync<ConfigurationException>(async () => await (await StartAsync(connectionString, declare, settings)).DisposeAsync())).Message;

    public static Backend Declare(string connectionString, string dataFolder, Action<Backend> declare, RecordedLogs? logs = null, params string[] settings)
    {
        var backend = Backend.Create("test",
            ["--environment", "Development", "--urls", "http://127.0.0.1:0", $"--ConnectionStrings:mainstay={connectionString}", $"--Mainstay:DataFolder={dataFolder}", .. settings]);
        backend.Builder.Logging.ClearProviders();
        if (logs is not null)
            backend.Builder.Logging.AddProvider(logs);
        declare(backend);
        return backend;
    }

    /// <summary>Calls with the development key of a role.</summary>
    public Caller Role(string role) => new(Http, "Bearer " + Running.DevelopmentKeys!.Keys.Single(key => key.Name == role).Key, Logs);

    /// <summary>Calls as a user of <see cref="TestSignIn"/>.</summary>
    public Caller User(string id, params string[] roles) => new(Http, $"Test {id};{string.Join(',', roles)}", Logs);

    public async Task ExecuteAsync(string sql)
    {
        await using var command = _source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = _source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    public Task<long> CountAsync(string table) => ScalarAsync<long>($"select count(*) from {table}");

    /// <summary>An open connection beside the backend, to hold locks with.</summary>
    public async Task<NpgsqlConnection> ConnectAsync() => await _source.OpenConnectionAsync();

    /// <summary>Waits until a question answers true; the wait is bounded and fails the test.</summary>
    public Task UntilAsync(string sql) => Waiting.UntilAsync(() => ScalarAsync<bool>(sql));

    /// <summary>Ends all connections of the backend at the server, as a failover does.</summary>
    public Task KillConnectionsAsync() =>
        ExecuteAsync("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'test-app'");

    /// <summary>Stops what polls the database by itself, for tests that count what requests do there.</summary>
    public async Task RestAsync()
    {
        foreach (var service in Running.App.Services.GetServices<Microsoft.Extensions.Hosting.IHostedService>().OfType<Microsoft.Extensions.Hosting.BackgroundService>())
            await service.StopAsync(CancellationToken.None);
    }

    /// <summary>Sends bytes as they are and reads until the server closes the connection.</summary>
    /// <param name="text">One byte for each character.</param>
    /// <param name="endsEarly">Whether the client closes its side right after.</param>
    public async Task<string> SendRawAsync(string text, bool endsEarly = false)
    {
        var address = new Uri(Running.Address);
        using var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(text));
        if (endsEarly)
            client.Client.Shutdown(SocketShutdown.Send);
        using var reader = new StreamReader(stream, Encoding.Latin1);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(15));
        try
        {
            return await reader.ReadToEndAsync(patience.Token);
        }
        catch (IOException) when (endsEarly)
        {
            return "";
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        _handler.Dispose();
        await Running.DisposeAsync();
        await _source.DisposeAsync();
        _folder.Dispose();
    }
}

internal static class Waiting
{
    public static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(20));
        while (!await condition())
            await Task.Delay(5, deadline.Token);
    }
}

/// <summary>What the backend logged.</summary>
internal sealed class RecordedLogs : ILoggerProvider
{
    private readonly Lock _gate = new();
    private readonly List<(LogLevel Level, string Text, Exception? Error)> _lines = [];

    public IReadOnlyList<(LogLevel Level, string Text, Exception? Error)> Lines
    {
        get
        {
            lock (_gate)
                return [.. _lines];
        }
    }

    public ILogger CreateLogger(string categoryName) => new Recorder(this);

    public void Dispose()
    {
    }

    private sealed class Recorder(RecordedLogs logs) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (logs._gate)
                logs._lines.Add((logLevel, formatter(state, exception), exception));
        }
    }
}
