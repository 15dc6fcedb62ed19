namespace Mainstay.Internal;

/// <summary>What an application does instead of serving when its command line begins with words: <c>dotnet run shop.cs -- contract check</c>.</summary>
internal static class CommandLine
{
    private sealed record Command(string Words, string[] Options, Func<Backend, BackendModel, TextWriter, int> Run);

    private static readonly Command[] commands =
    [
        new("contract check", ["folder"], ContractCommand.Check),
        new("contract write", ["folder", "breaking"], ContractCommand.Write),
        new("describe", [], DescribeCommand.Print),
        new("schema script", [], (_, model, output) => SchemaCommand.Print(model, output)),
    ];

    // What ASP.NET Core itself takes from the command line. Other settings have a colon.
    private static readonly string[] settings = ["environment", "contentRoot", "applicationName", "urls"];

    /// <summary>Runs the command that is asked for. Declarations are checked first, nothing is started.</summary>
    /// <returns>The exit code, or null when the application is to serve.</returns>
    /// <exception cref="ConfigurationException">MST1020: there is no such command or option; or the mistakes of the declarations.</exception>
    public static int? Run(Backend backend, TextWriter output)
    {
        var words = string.Join(' ', backend.Arguments.TakeWhile(argument => !argument.StartsWith('-') && !argument.StartsWith('/') && !argument.Contains('=', StringComparison.Ordinal)));
        if (words.Length == 0)
            return null;
        var command = commands.FirstOrDefault(command => command.Words == words)
            ?? throw new ConfigurationException("MST1020", $"There is no command '{words}'.{Suggestion.For(words, commands.Select(command => command.Words))} Expected one of {string.Join(", ", commands.Select(command => $"'{command.Words}'"))}, or none to serve.");
        foreach (var option in backend.Arguments.Where(argument => argument.StartsWith("--", StringComparison.Ordinal)).Select(argument => argument[2..].Split('=')[0]))
            if (!option.Contains(':', StringComparison.Ordinal) && !command.Options.Concat(settings).Contains(option, StringComparer.OrdinalIgnoreCase))
                throw new ConfigurationException("MST1020", $"'{words}' has no option --{option}.{Suggestion.For(option, command.Options)} {(command.Options.Length == 0 ? "It has none." : $"It takes --{string.Join(", --", command.Options)}.")}");
        return command.Run(backend, BackendModel.Build(backend), output);
    }
}
