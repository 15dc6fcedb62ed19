namespace Mainstay;

/// <summary>A mistake in declarations, configuration or environment that stops the start. Each has a stable code with a page in <c>docs/errors</c>.</summary>
public sealed class ConfigurationException : Exception
{
    /// <summary>Creates the error. The message says what happened, the actual value, what was expected, and what to do next.</summary>
    public ConfigurationException(string code, string message, Exception? innerException = null) : base($"{code}: {message}", innerException) => Code = code;

    /// <summary>Reports several mistakes as one error, so that a start names all of them at once.</summary>
    internal ConfigurationException(IReadOnlyList<ConfigurationException> mistakes)
        : base(string.Join('\n', mistakes.Select(mistake => mistake.Message)), mistakes.Count == 1 ? mistakes[0].InnerException : null) => Code = mistakes[0].Code;

    /// <summary>The stable code, for example <c>MST1101</c>. Of several mistakes: the first one's.</summary>
    public string Code { get; }
}
