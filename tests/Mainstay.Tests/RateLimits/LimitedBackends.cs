using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

public record Jotting(Id<Jotting> Id, string Text);

public record KeepMemo(string Text);

/// <summary>Two nodes on one database, whose time stands still until a test moves it.</summary>
public sealed class LimitedBackends(PostgresFixture postgres) : IAsyncLifetime
{
    private static int _numbers;

    private TimeSpan _shift;

    private DateTime _start;

    internal ManualClock Clock { get; } = new();

    internal TestBackend One { get; private set; } = null!;

    internal TestBackend Two { get; private set; } = null!;

    /// <summary>A caller whom no other test knows.</summary>
    internal (Caller OnOne, Caller OnTwo) NewUser(params string[] roles)
    {
        var id = $"user-{Interlocked.Increment(ref _numbers)}";
        return (One.User(id, roles), Two.User(id, roles));
    }

    public async ValueTask InitializeAsync()
    {
        var database = await postgres.CreateDatabaseAsync();
        One = await StartAsync(database);
        _start = await One.ScalarAsync<DateTime>("select now()");
        await PassAsync(TimeSpan.Zero);
        Two = await StartAsync(database);
    }

    internal Task<TestBackend> StartAsync(string database, params string[] settings) => TestBackend.StartAsync(database, Declare, ["--Mainstay:TrustedProxies", "127.0.0.1", .. settings]);

    private void Declare(Backend backend)
    {
        TestSignIn.AddTo(backend);
        backend.Services.AddSingleton<TimeProvider>(Clock);
        backend.Resource<Jotting>("/v1/notes").AllowRead(Policy.Anyone).AllowWrite(Policy.Role("writer")).RateLimit(3, per: TimeSpan.FromHours(1));
        backend.Query("GET /v1/small", () => "small").Allow(Policy.Anyone).RateLimit(5, per: TimeSpan.FromMinutes(1));
        backend.Query("GET /v1/other", () => "other").Allow(Policy.Anyone).RateLimit(5, per: TimeSpan.FromMinutes(1));
        backend.Query("GET /v1/large", () => "large").Allow(Policy.SignedIn).RateLimit(400, per: TimeSpan.FromMinutes(1), name: "large");
        backend.Query("GET /v1/both", () => "both").Allow(Policy.SignedIn)
            .RateLimit(3, per: TimeSpan.FromSeconds(10), name: "burst")
            .RateLimit(5, per: TimeSpan.FromDays(1), name: "daily");
        backend.Query("GET /v1/staff", () => "staff").Allow(Policy.Role("staff")).RateLimit(2, per: TimeSpan.FromSeconds(90));
        backend.Command("POST /v1/kept", (KeepMemo input, UnitOfWork work) =>
        {
            var note = new Jotting(Id<Jotting>.New(), input.Text);
            work.Insert(note);
            return note;
        }).Allow(Policy.SignedIn).RateLimit(2, per: TimeSpan.FromMinutes(1));
        backend.Query("GET /v1/free", () => "free").Allow(Policy.Anyone);
        backend.Query("GET /v1/freer", () => "freer").Allow(Policy.Anyone);
    }

    /// <summary>Lets time pass on the nodes and in the database.</summary>
    internal async Task PassAsync(TimeSpan time)
    {
        Clock.Advance(time);
        _shift += time;
        await One.ExecuteAsync($"create or replace function mainstay.now() returns timestamptz language sql stable parallel safe as 'select timestamptz ''{_start + _shift:O}'''");
    }

    public async ValueTask DisposeAsync()
    {
        if (One is not null)
            await One.DisposeAsync();
        if (Two is not null)
            await Two.DisposeAsync();
    }
}

/// <summary>A monotonic clock that moves when it is told to. Timers run on the system's.</summary>
internal sealed class ManualClock : TimeProvider
{
    private long _ticks = TimeSpan.TicksPerDay;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Volatile.Read(ref _ticks);

    public void Advance(TimeSpan time) => Interlocked.Add(ref _ticks, time.Ticks);
}
