namespace Mainstay.Benchmarks;

/// <summary>One run of load against one server.</summary>
/// <param name="Requests">How many were answered.</param>
/// <param name="PerSecond">Requests answered per second.</param>
/// <param name="ProcessorMicroseconds">Processor time of the server process for each request, where there is one. Other programs disturb it less than they disturb the rate.</param>
/// <param name="DatabaseMicroseconds">The same of PostgreSQL, all of its processes.</param>
/// <param name="Milliseconds50">Half of the answers came within this time.</param>
/// <param name="Milliseconds99">99 of 100 answers came within this time.</param>
internal sealed record Measured(long Requests, double PerSecond, double ProcessorMicroseconds, double DatabaseMicroseconds, double Milliseconds50, double Milliseconds99);
