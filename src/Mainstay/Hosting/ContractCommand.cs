using Microsoft.Extensions.Configuration;

namespace Mainstay.Internal;

/// <summary>
/// <c>dotnet run shop.cs -- contract check</c> compares the declarations with the checked-in contract, <c>contract write</c> writes it. Neither needs a
/// database, listens, or looks at settings.
/// </summary>
internal static class ContractCommand
{
    /// <returns>1 when clients break, or when there is nothing to compare with; else 0.</returns>
    public static int Check(Backend backend, BackendModel model, TextWriter output)
    {
        var folder = Folder(backend);
        var checks = ContractCheck.All(backend, model, folder);
        if (checks.All(check => check.Before is null))
        {
            output.WriteLine($"There is no {Shown(folder.PathOf(checks[0].Version))} to compare with. Write it with 'contract write', and check it in.");
            return 1;
        }
        foreach (var check in checks)
            Report(backend, folder, check, output);
        var isBreaking = checks.Any(check => check.IsBreaking);
        if (isBreaking)
            output.WriteLine("Clients break. Change the declarations as said above; if it is meant, run contract write --breaking \"why it cannot be avoided\".");
        else if (!checks.All(check => check.IsUpToDate))
            output.WriteLine("Nobody breaks. Run contract write, and check in what it writes.");
        return isBreaking ? 1 : 0;
    }

    /// <summary>Writes all documents, or none when that would break clients and nobody said why.</summary>
    /// <returns>1 when nothing was written, else 0.</returns>
    public static int Write(Backend backend, BackendModel model, TextWriter output)
    {
        var (folder, reason) = (Folder(backend), Option(backend, "breaking")?.ReplaceLineEndings(" ").Trim());
        if (reason is "")
            throw new ConfigurationException("MST1020", "--breaking is empty, expected the reason for which clients are broken: contract write --breaking \"the price was never right\".");
        var checks = ContractCheck.All(backend, model, folder);
        if (reason is null && checks.Any(check => check.IsBreaking))
        {
            foreach (var check in checks.Where(check => check.IsBreaking))
                Report(backend, folder, check, output);
            output.WriteLine("Nothing was written, because clients break. Change the declarations as said above; if it is meant, add --breaking \"why it cannot be avoided\".");
            return 1;
        }
        foreach (var check in checks)
            Write(folder, check, reason, output);
        return 0;
    }

    private static void Write(ContractFolder folder, ContractCheck check, string? reason, TextWriter output)
    {
        var file = Shown(folder.PathOf(check.Version));
        if (check.IsUpToDate)
        {
            output.WriteLine($"{file} is up to date.");
            return;
        }
        // The list first: when the process dies between the two, the next run adds the entry again, which a reader can see and correct.
        if (check.IsBreaking)
            folder.AddBreak(check.Version, reason!, ContractReport.Breaks(ContractEntry.Of(check.Changes)));
        if (check.After is null)
            folder.Delete(check.Version);
        else
            folder.Write(check.Version, check.After);
        output.WriteLine(check.After is null ? $"{file} is gone." : $"{file} was written.");
        if (check.IsBreaking)
            output.WriteLine($"{Shown(folder.BreaksOf(check.Version))} has one more entry: {reason}");
    }

    private static void Report(Backend backend, ContractFolder folder, ContractCheck check, TextWriter output)
    {
        var entries = ContractEntry.Of(check.Changes);
        var breaking = entries.Count(entry => entry.Change.IsBreaking);
        var verdict = check switch
        {
            { IsUpToDate: true } => "up to date",
            { Before: null } => "a new version",
            { Changes.Count: 0 } => "out of date; only words, examples or order differ",
            _ => $"out of date; {breaking} breaking, {entries.Count - breaking} compatible changes",
        };
        output.WriteLine($"{backend.Name} {check.Version}, {Shown(folder.PathOf(check.Version))}: {verdict}.");
        if (entries.Count > 0)
            output.Write($"\n{ContractReport.Of(entries)}");
    }

    private static ContractFolder Folder(Backend backend) =>
        new(Path.GetFullPath(Option(backend, "folder") is { Length: > 0 } named ? named : Path.Combine(backend.Builder.Environment.ContentRootPath, "contracts")), backend.Name);

    /// <summary>From the command line alone: a variable of the environment must not decide where a contract is.</summary>
    private static string? Option(Backend backend, string name) => new ConfigurationBuilder().AddCommandLine([.. backend.Arguments]).Build()[name];

    private static string Shown(string file) => Path.GetRelativePath(Directory.GetCurrentDirectory(), file) is var near && near.StartsWith("..", StringComparison.Ordinal) ? file : near;
}
