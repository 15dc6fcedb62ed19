using System.Diagnostics;
using System.Reflection;

namespace Mainstay.Tests;

/// <summary>The repository as the checks see it.</summary>
internal static class House
{
    private static readonly string[] Generated = [".git", "artifacts", "bin", "obj", "node_modules", ".mainstay", "TestResults"];

    public static string Root { get; } = FindRoot();

    /// <summary>Every file that is or would be committed, relative to the root, with forward slashes, sorted.</summary>
    public static IReadOnlyList<string> Files { get; } = [.. (FilesOfGit() ?? FilesOnDisk()).Where(Exists).Order(StringComparer.Ordinal)];

    /// <summary>The projects under src: their names are also the names of their folders and assemblies.</summary>
    public static IReadOnlyList<string> Projects { get; } =
        [.. Files.Where(file => file.StartsWith("src/", StringComparison.Ordinal) && file.EndsWith(".csproj", StringComparison.Ordinal)).Select(file => Path.GetFileNameWithoutExtension(file))];

    /// <summary>True when the run was started to accept what it finds: snapshots are rewritten instead of compared.</summary>
    public static bool Accepts { get; } = Environment.GetEnvironmentVariable("MAINSTAY_ACCEPT") == "1";

    public static string FullPath(string file) => Path.Combine(Root, file);

    public static bool Exists(string path) => File.Exists(FullPath(path)) || Directory.Exists(FullPath(path));

    public static string Read(string file) => File.ReadAllText(FullPath(file)).ReplaceLineEndings("\n");

    public static string[] Lines(string file) => Read(file).Split('\n');

    /// <summary>Writes a snapshot when its text differs, so that an accepted run leaves untouched files alone.</summary>
    public static void Write(string file, string text)
    {
        if (File.Exists(FullPath(file)) && Read(file) == text)
            return;
        Directory.CreateDirectory(Path.GetDirectoryName(FullPath(file))!);
        File.WriteAllText(FullPath(file), text);
    }

    /// <summary>The compiled assembly of a project, from the output folder of this test project, which references them all.</summary>
    public static string AssemblyPath(string project) => Path.Combine(AppContext.BaseDirectory, $"{project}.dll");

    public static Assembly Load(string project) => Assembly.Load(new AssemblyName(project));

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Mainstay.slnx")))
                return folder.FullName;
        throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} holds Mainstay.slnx. Run the tests from a clone of the repository.");
    }

    private static string[]? FilesOfGit()
    {
        try
        {
            using var git = Process.Start(new ProcessStartInfo("git", ["-c", "core.quotePath=false", "ls-files", "--cached", "--others", "--exclude-standard"])
            {
                WorkingDirectory = Root,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var output = git.StandardOutput.ReadToEnd();
            git.WaitForExit();
            return git.ExitCode == 0 ? [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Distinct()] : null;   // unmerged files are listed once per side
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;   // no git here: a source archive, or a small container
        }
    }

    private static IEnumerable<string> FilesOnDisk(string folder = "")
    {
        foreach (var entry in new DirectoryInfo(FullPath(folder)).EnumerateFileSystemInfos())
        {
            var path = folder.Length == 0 ? entry.Name : $"{folder}/{entry.Name}";
            if (entry is FileInfo)
                yield return path;
            else if (!Generated.Contains(entry.Name))
                foreach (var file in FilesOnDisk(path))
                    yield return file;
        }
    }
}
