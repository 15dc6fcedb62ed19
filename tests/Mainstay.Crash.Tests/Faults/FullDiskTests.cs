using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>A server whose data lie on a file system of their own, small enough to fill.</summary>
public sealed class SmallDiskServer : FaultServer
{
    private readonly TemporaryFolder _disk = new();

    public override string DataFolder => _disk.In("disk/.mainstay");

    private string Disk => _disk.In("disk");

    private string Filler => Path.Combine(Disk, "filler");

    /// <summary>Why there is no such file system; null when there is.</summary>
    public string? Missing { get; private set; }

    public override async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Disk);
        var mounted = await Command.RunAsync(Command.Of("mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", Disk), TimeSpan.FromSeconds(10), CancellationToken.None);
        if (mounted.Succeeded)
            await base.InitializeAsync();
        else
            Missing = $"a small file system cannot be mounted here: {mounted.Reason}";
    }

    /// <summary>Takes all that is left.</summary>
    public void Fill()
    {
        using var filler = File.Create(Filler);
        var block = new byte[1 << 16];
        try
        {
            while (true)
                filler.Write(block);
        }
        catch (IOException)
        {
            // Full, as wanted.
        }
    }

    public void Empty() => File.Delete(Filler);

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (Missing is null)
            await Command.RunAsync(Command.Of("umount", "-l", Disk), TimeSpan.FromSeconds(10), CancellationToken.None);
        _disk.Dispose();
    }
}

/// <summary>F20: the disk of the server is full.</summary>
public sealed class FullDiskTests(SmallDiskServer server) : IClassFixture<SmallDiskServer>
{
    private static CancellationToken Stop => Scene.Stop;

    [Fact]
    public async Task Orders_are_refused_while_the_disk_is_full_and_everything_goes_on_when_there_is_room()
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        await using var scene = await Scene.CreateAsync(server);
        var node = await scene.StartAsync();
        node.Tell("order order-before");
        await node.SaysAsync("ordered order-before", Stop);

        server.Fill();
        await node.OrderUntilAsync("not ordered", "while-full", Stop);
        node.HasExited.ShouldBeFalse();
        server.Empty();
        await node.OrderUntilAsync("ordered", "afterwards", Stop);

        await scene.UntilEmptyAsync();
        (await scene.FateAsync("order-before")).ShouldBe("done 1");
        await scene.VerifyAsync();
    }
}
