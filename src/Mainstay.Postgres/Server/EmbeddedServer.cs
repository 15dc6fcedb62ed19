using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// A private PostgreSQL that this application runs, alone or together with other processes on the same data folder.
///
///   start                                    end
///   1. choose the account, the data folder   1. stop watching
///   2. find PostgreSQL, or fetch it          2. enter the gate
///   3. enter the gate                        3. detach
///   4. find the running server, or create    4. nobody else attached: stop the server
///      the cluster and start one             5. open the gate
///   5. attach
///   6. log in, open the gate, watch
///
/// A process killed at any point leaves a locked file that the kernel unlocks and at most a running server, which the next start finds and uses.
/// </summary>
internal sealed class EmbeddedServer : IAsyncDisposable
{
    private readonly EmbeddedServerOptions options;
    private readonly DataFolder folder;
    private readonly Cluster cluster;
    private readonly ServerSupervisor supervisor;
    private readonly ILogger log;
    private readonly (string Administrator, string Application) passwords;
    private readonly Binaries binaries;
    private Attachment? attachment;
    private string socketFolder = "";

    private EmbeddedServer(EmbeddedServerOptions options, DataFolder folder, Cluster cluster, Binaries binaries, (string, string) passwords, ILogger log, TimeProvider time)
    {
        (this.options, this.folder, this.cluster, this.binaries, this.passwords, this.log) = (options, folder, cluster, binaries, passwords, log);
        supervisor = new ServerSupervisor(options, IsRunning, cluster.BoundLogAsync, RestartAsync, cluster.LogTail, log, time);
    }

    /// <summary>Logs in as the application's role: not a superuser, owner of its database. Stays valid when the server is started again.</summary>
    public string ConnectionString => Connection(Cluster.Application, passwords.Application, options.DatabaseName);

    /// <summary>Logs in as the superuser. For tests and tools; an application has no use for it.</summary>
    public string AdministratorConnectionString => Connection(Cluster.Administrator, passwords.Administrator, "postgres");

    /// <summary>The version that runs, for example <c>18.4</c>.</summary>
    public string Version { get; private set; } = "";

    /// <summary>Whether this object started the server; false when it found one running.</summary>
    public bool Started { get; private set; }

    /// <summary>The postmaster's process. Changes when it is started again.</summary>
    public int ProcessId { get; private set; }

    /// <summary>Why the server is not running. Null when it is.</summary>
    public ConfigurationException? Failure => supervisor.Failure;

    public static async Task<EmbeddedServer> StartAsync(EmbeddedServerOptions options, ILogger log, TimeProvider time, CancellationToken cancellation)
    {
        options.Check();
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS())
            throw new ConfigurationException("MST1100",
                $"Mainstay runs a PostgreSQL of its own on Linux and macOS, but this is {Environment.OSVersion}. Point to a server: " +
                "ConnectionStrings__mainstay='Host=localhost;Database=…;Username=…;Password=…'");

        var account = await ServerAccount.ChooseAsync(options.Account, cancellation);
        var folder = await DataFolder.OpenAsync(options, account, cancellation);
        // Outside of the gate: a first fetch takes as long as the network likes.
        var binaries = await Binaries.FindAsync(options, folder.Major, account, cancellation);
        await using var gate = await Attachment.EnterGateAsync(folder, options.StartTimeout, options.Progress, cancellation);
        if (folder.Major is { } major && major != binaries.Major) binaries = await Binaries.FindAsync(options, major, account, cancellation);

        var cluster = new Cluster(folder, account, options, log);
        var server = new EmbeddedServer(options, folder, cluster, binaries, await folder.ReadPasswordsAsync(cancellation), log, time);
        try
        {
            await server.AttachAsync_NeedsLock(cancellation);
        }
        catch (ConfigurationException) when (server.attachment is null)
        {
            throw;       // a server that is still recovering is left to it: stopped now, it would begin again at every start
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DataFolder.CannotWrite(folder.Root, e);
        }
        catch
        {
            await server.DetachAsync_NeedsLock();
            throw;
        }
        server.supervisor.Start();
        return server;
    }

    /// <summary>Returns when the server runs. To be called after a lost connection, so as not to wait for the next regular check.</summary>
    public Task EnsureRunningAsync(CancellationToken cancellation) => supervisor.CheckAsync(cancellation);

    public async ValueTask DisposeAsync()
    {
        if (attachment is null) return;
        await supervisor.DisposeAsync();
        await using var gate = await Attachment.EnterGateAsync(folder, options.StartTimeout + options.StopTimeout, null, CancellationToken.None);
        await DetachAsync_NeedsLock();
    }

    private async Task AttachAsync_NeedsLock(CancellationToken cancellation)
    {
        var postmaster = await RunAsync_NeedsLock(cancellation);
        attachment = Attachment.Open_NeedsLock(folder);
        postmaster = await LogInAsync_NeedsLock(postmaster, cancellation);
        if (Started) ServerLog.Started(log, Version, postmaster.ProcessId, folder.Root);
        else ServerLog.Found(log, Version, postmaster.ProcessId, folder.Root);
    }

    /// <summary>Finds the running server, or starts it.</summary>
    private async Task<Postmaster> RunAsync_NeedsLock(CancellationToken cancellation)
    {
        var postmaster = await cluster.WaitAsync(cancellation);
        if (postmaster is null)
        {
            Started = true;
            Attachment.RequireSameNamespace_NeedsLock(folder);
            folder.DiscardDrafts_NeedsLock();
            if (folder.Major is null)
            {
                // Only a start may create: data that vanishes under a running application must not turn into an empty database.
                if (attachment is not null) throw folder.Damaged();
                await cluster.CreateAsync(binaries, cancellation);
            }
            postmaster = await cluster.StartAsync(binaries, cancellation);
        }
        (socketFolder, ProcessId) = (postmaster.SocketFolder, postmaster.ProcessId);
        return postmaster;
    }

    /// <summary>
    /// Proves that the application can work: the login, the database, the version. A server whose process was killed says "ready" all through its
    /// recovery, and one that was found may die now, so what passes is waited for.
    /// </summary>
    private async Task<Postmaster> LogInAsync_NeedsLock(Postmaster postmaster, CancellationToken cancellation)
    {
        for (var began = TimeProvider.System.GetTimestamp(); ; postmaster = await RunAsync_NeedsLock(cancellation))
            try
            {
                await LogInAsync(cancellation);
                return postmaster;
            }
            catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification)
            {
                throw new ConfigurationException("MST1119", $"The passwords in '{folder.Root}/passwords' do not fit the data beside it. Restore both from the same backup.", e);
            }
            catch (NpgsqlException e) when (IsPassing(e) && TimeProvider.System.GetElapsedTime(began) < options.StartTimeout)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), cancellation);
            }
            catch (NpgsqlException e)
            {
                throw new ConfigurationException("MST1116", $"PostgreSQL runs, but refuses the application: {e.Message} Its last words:\n{cluster.LogTail()}", e);
            }
    }

    private static bool IsPassing(NpgsqlException e) => e is PostgresException ? DatabaseErrors.IsUnavailable(e) : e.InnerException is IOException or SocketException;

    private async Task LogInAsync(CancellationToken cancellation)
    {
        for (var created = false; ; created = true)
            try
            {
                await using var connection = new NpgsqlConnection(Unpooled(ConnectionString));
                await connection.OpenAsync(cancellation);
                Version = connection.PostgreSqlVersion.ToString(2);
                return;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName && !created)
            {
                await CreateDatabaseAsync(cancellation);       // the application was given another database name since
            }
    }

    private async Task CreateDatabaseAsync(CancellationToken cancellation)
    {
        await using var connection = new NpgsqlConnection(Unpooled(AdministratorConnectionString));
        await connection.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand($"create database {options.DatabaseName} owner {Cluster.Application}", connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private async Task DetachAsync_NeedsLock()
    {
        var wasAttached = attachment is not null;
        attachment?.Dispose();
        attachment = null;
        var others = Attachment.Living_NeedsLock(folder).Count;
        if (others > 0)
        {
            ServerLog.Left(log, folder.Root, others);
            return;
        }
        await cluster.StopAsync(binaries);
        if (wasAttached) ServerLog.Stopped(log, folder.Root);
    }

    private bool IsRunning() => Postmaster.Read(folder.Cluster)?.Identify() == ProcessIdentity.Ours;

    /// <summary>Another attached process may have been faster, then this finds its server.</summary>
    private async Task RestartAsync(CancellationToken cancellation)
    {
        try
        {
            await using var gate = await Attachment.EnterGateAsync(folder, options.StartTimeout, null, cancellation);
            await RunAsync_NeedsLock(cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DataFolder.CannotWrite(folder.Root, e);
        }
    }

    private string Connection(string role, string password, string database) => new NpgsqlConnectionStringBuilder
    {
        Host = socketFolder, Port = DataFolder.Port, Username = role, Password = password, Database = database, SslMode = SslMode.Disable,
        // The role has the name of the framework's schema, which would otherwise be looked through first: an application may well have a table named jobs.
        SearchPath = "public",
    }.ConnectionString;

    private static string Unpooled(string connectionString) => new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString;
}
