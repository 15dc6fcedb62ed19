using Npgsql;

namespace Mainstay.Tests;

/// <summary>Tests each of which has a database of its own, for the applications that it starts.</summary>
public abstract class OwnDatabaseTests(PostgresFixture postgres) : IAsyncLifetime
{
    protected static CancellationToken Stop => TestContext.Current.CancellationToken;

    protected string ConnectionString { get; private set; } = null!;

    protected NpgsqlDataSource Source { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        ConnectionString = await postgres.CreateDatabaseAsync();
        Source = NpgsqlDataSource.Create(ConnectionString);
        await PrepareAsync();
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await Source.DisposeAsync();
    }

    /// <summary>A connection string of one more database.</summary>
    protected Task<string> CreateDatabaseAsync() => postgres.CreateDatabaseAsync();

    /// <summary>What the database has before the test begins.</summary>
    protected virtual Task PrepareAsync() => Task.CompletedTask;
}
