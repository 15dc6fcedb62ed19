using Microsoft.Extensions.Configuration;

namespace Mainstay.Benchmarks;

/// <summary>How much is measured.</summary>
/// <param name="Rounds">How often the servers are started afresh: two processes of one program differ for as long as they live, by what the compiler saw first and where things lie in memory.</param>
/// <param name="Pairs">Runs of both servers against each other, for each request and round.</param>
/// <param name="Seconds">Length of a run. Short ones follow each other closely, so that less happens in between.</param>
/// <param name="WarmUpSeconds">Load before the first run, for each request and server: until the code is compiled for good.</param>
/// <param name="Connections">At once, each with one request in flight.</param>
internal sealed record Plan(int Rounds, int Pairs, int Seconds, int WarmUpSeconds, int Connections)
{
    /// <exception cref="MeasurementException">An option is not a number that makes sense.</exception>
    public static Plan Of(string[] options)
    {
        var given = new ConfigurationBuilder().AddCommandLine(options).Build();
        int Number(string name, int usual, int least, int most) => given[name] is not { } text ? usual
            : int.TryParse(text, out var number) && number >= least && number <= most ? number
            : throw new MeasurementException($"--{name} is '{text}', expected a number from {least} to {most}.");
        return new Plan(Number("rounds", 4, 1, 100), Number("pairs", 25, 1, 100), Number("seconds", 1, 1, 60), WarmUpSeconds: 4, Number("connections", 16, 1, 256));
    }
}
