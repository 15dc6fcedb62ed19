namespace Mainstay.Internal;

/// <summary>
/// Whether this is a development start. An environment that is set decides. Without one, a program that was started from its source file
/// (<c>dotnet run shop.cs</c>) is being developed; everything else, above all whatever was published, is production.
/// </summary>
internal static class DevelopmentStart
{
    /// <summary>The folder of the source file of a file-based program, or null.</summary>
    public static string? SourceFolder => AppContext.GetData("EntryPointFileDirectoryPath") as string is { } folder && Directory.Exists(folder) ? folder : null;

    /// <returns>The environment to force, or null when something else has decided.</returns>
    public static string? EnvironmentName()
    {
        var isSet = Environment.GetEnvironmentVariable("ASPNETCORE_ENVIRONMENT") is not null || Environment.GetEnvironmentVariable("DOTNET_ENVIRONMENT") is not null
            || Environment.GetCommandLineArgs().Skip(1).Any(argument => argument.TrimStart('-', '/').Split('=')[0].Equals("environment", StringComparison.OrdinalIgnoreCase));
        return !isSet && SourceFolder is not null ? "Development" : null;
    }
}
