using Microsoft.Extensions.Configuration;

namespace Mainstay.Benchmarks;

/// <summary>How much is measured.</summary>
/// <param name="Rounds">How often the servers are started afresh: two processes of one program differ for as long as they live, by what the compiler saw first and where things lie in memory.</param>
/// <param name="Pairs">Runs of both servers against each other, for each request and round.</param>
/// <param name="Seconds">Length of a run. Short ones follow each other closely, so that less happens in between.</param>
/// <param name="WarmUpSeconds">Load before the first run, for each request and server: until the code is compiled for good.</param>
/// <param name="Connections">At once, each with one request in flight. Several numbers are measured one after the other.</param>
internal sealed record Plan(int Rounds, int Pairs, int Seconds, int WarmUpSeconds, params int[] Connections)
{
    /// <summary>The options that have been given, and the usual values for the rest.</summary>
    /// <exception cref="MeasurementException">An option is not a number that makes sense.</exception>
    public static Plan Of(string[] options, Plan usual)
    {
        var given = new ConfigurationBuilder().AddCommandLine(options).Build();
        int Checked(string name, string text, int least, int most) => int.TryParse(text, out var number) && number >= least && number <= most ? number
            : throw new MeasurementException($"--{name} is '{text}', expected a number from {least} to {most}.");
        int Number(string name, int otherwise, int least, int most) => given[name] is { } text ? Checked(name, text, least, most) : otherwise;
        return new Plan(Number("rounds", usual.Rounds, 1, 100), Number("pairs", usual.Pairs, 1, 100), Number("seconds", usual.Seconds, 1, 60), Number("warm-up", usual.WarmUpSeconds, 1, 60),
            given["connections"] is { } list ? [.. list.Split(',').Select(text => Checked("connections", text, 1, 256))] : usual.Connections);
    }
}
