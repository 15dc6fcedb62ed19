namespace Mainstay.Benchmarks;

/// <summary>Where results are kept, and programs that are not compiled.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Mainstay.slnx")))
                return folder.FullName;
        throw new MeasurementException("The results belong into the repository, but this program was not built inside of one.");
    }
}
