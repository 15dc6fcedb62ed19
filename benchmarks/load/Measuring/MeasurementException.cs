namespace Mainstay.Benchmarks;

/// <summary>What keeps a scenario from being measured; the message says what to do.</summary>
internal sealed class MeasurementException(string message) : Exception(message);
