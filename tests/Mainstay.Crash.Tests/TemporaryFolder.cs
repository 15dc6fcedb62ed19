namespace Mainstay.Tests;

/// <summary>A folder that goes away with the test. Others may enter it, because PostgreSQL runs as another account when the tests run as root.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("mainstay-");

    public TemporaryFolder() => File.SetUnixFileMode(folder.FullName, File.GetUnixFileMode(folder.FullName)
        | UnixFileMode.GroupExecute | UnixFileMode.GroupRead | UnixFileMode.OtherExecute | UnixFileMode.OtherRead);

    public string Path => folder.FullName;

    public string In(params string[] names) => System.IO.Path.Combine([Path, .. names]);

    public void Dispose() => folder.Delete(recursive: true);
}
