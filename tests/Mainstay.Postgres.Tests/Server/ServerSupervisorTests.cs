using Mainstay.Internal;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mainstay.Tests;

public sealed class ServerSupervisorTests
{
    private static readonly EmbeddedServerOptions Options = new() { Name = "tests", DataFolder = "/nowhere" };
    private readonly Clock clock = new();
    private int restarts;
    private Exception? refusal;

    [Fact]
    public async Task A_server_that_keeps_dying_is_started_ever_more_rarely_and_its_last_words_are_told()
    {
        await using var supervisor = Supervisor();
        await supervisor.CheckAsync(CancellationToken.None);
        await supervisor.CheckAsync(CancellationToken.None);

        var e = await Should.ThrowAsync<ConfigurationException>(() => supervisor.CheckAsync(CancellationToken.None));
        e.Code.ShouldBe("MST1122");
        e.Message.ShouldContain("PANIC: could not write");
        supervisor.Failure.ShouldBe(e);
        restarts.ShouldBe(2);

        clock.Advance(TimeSpan.FromSeconds(1));
        await supervisor.CheckAsync(CancellationToken.None);

        restarts.ShouldBe(3);
        supervisor.Failure.ShouldBeNull();
    }

    [Fact]
    public async Task A_failed_start_is_told_and_tried_again_when_the_pause_is_over()
    {
        refusal = new ConfigurationException("MST1109", "The disk is full.");
        await using var supervisor = Supervisor();
        (await Should.ThrowAsync<ConfigurationException>(() => supervisor.CheckAsync(CancellationToken.None))).Message.ShouldContain("MST1109: The disk is full.");
        refusal = null;

        await supervisor.CheckAsync(CancellationToken.None);

        supervisor.Failure.ShouldBeNull();
    }

    [Fact]
    public async Task Whatever_a_start_fails_with_is_told_and_tried_again()
    {
        refusal = new IOException("No space left on device");
        await using var supervisor = Supervisor();

        (await Should.ThrowAsync<ConfigurationException>(() => supervisor.CheckAsync(CancellationToken.None))).Message.ShouldContain("No space left on device");
        supervisor.Failure!.Code.ShouldBe("MST1122");
        refusal = null;
        await supervisor.CheckAsync(CancellationToken.None);

        supervisor.Failure.ShouldBeNull();
    }

    [Fact]
    public async Task The_watch_goes_on_when_it_cannot_look()
    {
        var looks = 0;
        var seen = new TaskCompletionSource();
        bool Look() => Interlocked.Increment(ref looks) < 3 ? throw new IOException("The process table cannot be read.") : seen.TrySetResult();
        await using var supervisor = new ServerSupervisor(Options with { CheckInterval = TimeSpan.FromMilliseconds(1) }, Look, _ => Task.CompletedTask, Restart, () => "", NullLogger.Instance, TimeProvider.System);

        supervisor.Start();

        await seen.Task.WaitAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public void Pauses_double_up_to_half_a_minute() =>
        Enumerable.Range(1, 9).Select(deaths => ServerSupervisor.Pause(deaths).TotalSeconds).ShouldBe([0, 1, 2, 4, 8, 16, 30, 30, 30]);

    private ServerSupervisor Supervisor() => new(Options, () => false, _ => Task.CompletedTask, Restart, () => "PANIC: could not write", NullLogger.Instance, clock);

    private Task Restart(CancellationToken cancellation)
    {
        restarts++;
        return refusal is null ? Task.CompletedTask : Task.FromException(refusal);
    }

    private sealed class Clock : TimeProvider
    {
        private long ticks;
        public override long TimestampFrequency => TimeSpan.TicksPerSecond;
        public override long GetTimestamp() => ticks;
        public void Advance(TimeSpan time) => ticks += time.Ticks;
    }
}
