using System.Diagnostics;

namespace Mainstay.Internal;

/// <summary>What a finished program said. Output and errors are cut at 64 KB each.</summary>
internal sealed record CommandResult(int ExitCode, string Output, string Errors)
{
    public bool Succeeded => ExitCode == 0;

    /// <summary>The last lines of what it said, for an error message.</summary>
    public string Reason => Command.Tail(Errors.Length > 0 ? Errors : Output, 12) is { Length: > 0 } said ? said : $"exit code {ExitCode}";
}

/// <summary>Runs a short-lived program to its end.</summary>
internal static class Command
{
    private const int TextMax = 64 * 1024;

    /// <summary>Runs the program; a time-out or a cancellation kills it and what it started. A program that cannot be started gives exit code 127.</summary>
    public static async Task<CommandResult> RunAsync(ProcessStartInfo start, TimeSpan timeout, CancellationToken cancellation, string input = "")
    {
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        using var process = new Process { StartInfo = start };
        try
        {
            process.Start();
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return new CommandResult(127, "", $"{start.FileName}: {e.Message}");
        }

        var output = ReadAsync(process.StandardOutput);
        var errors = ReadAsync(process.StandardError);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(timeout);
        try
        {
            await WriteAsync(process.StandardInput, input);
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancellation.ThrowIfCancellationRequested();
            return new CommandResult(124, "", $"'{Path.GetFileName(start.FileName)}' did not finish within {timeout.TotalSeconds:0} s.");
        }
        return new CommandResult(process.ExitCode, await output, await errors);
    }

    public static ProcessStartInfo Of(string program, params IEnumerable<string> arguments) => new(program, arguments);

    public static string Tail(string text, int linesMax) => string.Join('\n', text.TrimEnd().Split('\n').TakeLast(linesMax));

    private static async Task WriteAsync(StreamWriter writer, string input)
    {
        try
        {
            await writer.WriteAsync(input);
            writer.Close();
        }
        catch (IOException)
        {
            // It ended without reading everything; its exit code says why.
        }
    }

    private static async Task<string> ReadAsync(StreamReader reader)
    {
        var text = new System.Text.StringBuilder();
        var buffer = new char[4096];
        while (await reader.ReadAsync(buffer) is > 0 and var count)
        {
            text.Append(buffer, 0, count);
            if (text.Length > TextMax) text.Remove(0, text.Length - TextMax);       // the end of a long complaint is the part that explains it
        }
        return text.ToString();
    }
}
