namespace Mainstay.Benchmarks;

internal static class TemporaryFolder
{
    /// <summary>A new folder that the account of a private PostgreSQL can pass through, as it must to reach its own.</summary>
    public static DirectoryInfo Create()
    {
        var folder = Directory.CreateTempSubdirectory("mainstay-load-");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder.FullName, File.GetUnixFileMode(folder.FullName) | UnixFileMode.OtherExecute | UnixFileMode.GroupExecute);
        return folder;
    }
}
