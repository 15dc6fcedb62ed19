using System.Security.Cryptography;

namespace Mainstay.Internal;

/// <summary>
/// Says that a process uses the server. Each one holds a locked file; the kernel lets go of the lock however the process ends, so a file that can be
/// locked belongs to nobody. The gate is a lock of the same kind around starting, attaching and leaving, so that nobody counts while another changes.
/// </summary>
internal sealed class Attachment : IDisposable
{
    private readonly FileStream file;

    private Attachment(FileStream file) => this.file = file;

    /// <summary>Waits for the gate. Disposing the result opens it for others.</summary>
    public static async Task<FileStream> EnterGateAsync(DataFolder folder, TimeSpan timeout, Action<string>? progress, CancellationToken cancellation)
    {
        RequireLocks();
        var began = TimeProvider.System.GetTimestamp();
        for (var told = false; ; )
        {
            if (TryLock(folder.Gate, FileMode.OpenOrCreate, FileOptions.None) is { } gate) return gate;
            var waited = TimeProvider.System.GetElapsedTime(began);
            if (waited > timeout)
                throw new ConfigurationException("MST1117",
                    $"Another process has been starting or stopping the server of '{folder.Root}' for {waited.TotalSeconds:0} s. Wait for it to finish, or end it, and start again.");
            if (!told && waited > TimeSpan.FromSeconds(2)) progress?.Invoke("Waiting for another process that starts or stops the server …");
            told |= waited > TimeSpan.FromSeconds(2);
            await Task.Delay(10, cancellation);
        }
    }

    public static Attachment Open_NeedsLock(DataFolder folder)
    {
        var name = $"{Environment.ProcessId}-{Namespace()}-{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
        return new Attachment(TryLock(Path.Combine(folder.Attached, name), FileMode.CreateNew, FileOptions.DeleteOnClose)!);
    }

    /// <summary>The processes that use the server. Files of dead ones are removed.</summary>
    public static List<string> Living_NeedsLock(DataFolder folder)
    {
        List<string> living = [];
        foreach (var path in Directory.EnumerateFiles(folder.Attached))
        {
            if (TryLock(path, FileMode.Open, FileOptions.DeleteOnClose) is { } left) left.Dispose();
            else if (File.Exists(path)) living.Add(Path.GetFileName(path));
        }
        return living;
    }

    /// <summary>
    /// Two containers may share a folder without seeing each other's processes: to each of them the other's server looks dead, and a second
    /// one on the same files would destroy them. Locks do reach across, so a living process of another process namespace is an alarm.
    /// </summary>
    public static void RequireSameNamespace_NeedsLock(DataFolder folder)
    {
        var own = Namespace();
        if (Living_NeedsLock(folder).Find(name => name.Split('-')[1] != own) is { } other)
            throw new ConfigurationException("MST1120",
                $"The data in '{folder.Root}' is in use by process {other.Split('-')[0]} of another container. Give each container its own data folder, or let them share a server with ConnectionStrings__mainstay.");
    }

    public void Dispose() => file.Dispose();

    private static FileStream? TryLock(string path, FileMode mode, FileOptions options)
    {
        try
        {
            return new FileStream(path, new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.None, Options = options, BufferSize = 0 });
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (IOException e) when (e.HResult is 11 or 35)       // EWOULDBLOCK on Linux and macOS: locked
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DataFolder.CannotWrite(Path.GetDirectoryName(path)!, e);
        }
    }

    private static void RequireLocks()
    {
        if ((AppContext.TryGetSwitch("System.IO.DisableFileLocking", out var off) && off)
            || Environment.GetEnvironmentVariable("DOTNET_SYSTEM_IO_DISABLEFILELOCKING") is "1" or "true" or "True")
            throw new ConfigurationException("MST1123",
                "File locking is switched off (System.IO.DisableFileLocking), but two processes must not start a server on the same data. Switch it on, or use a server of your own with ConnectionStrings__mainstay.");
    }

    /// <summary>The process namespace: processes see each other, and agree on process ids, only within one.</summary>
    private static string Namespace() => string.Concat((new FileInfo("/proc/self/ns/pid").LinkTarget ?? "0").Where(char.IsAsciiDigit));
}
