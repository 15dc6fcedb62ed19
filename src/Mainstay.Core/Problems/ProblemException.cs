namespace Mainstay;

/// <summary>A refused call. It reaches the client as a problem document (RFC 9457), in the same form from every interface.</summary>
public sealed class ProblemException : Exception
{
    internal ProblemException(ProblemType type, string detail, IReadOnlyList<FieldError> errors, Exception? innerException = null) : base(detail, innerException)
    {
        Type = type;
        Errors = errors;
    }

    /// <summary>The kind of problem.</summary>
    public ProblemType Type { get; }

    /// <summary>The members or parameters at fault. Empty when the problem is not about one.</summary>
    public IReadOnlyList<FieldError> Errors { get; }

    /// <summary>When a retry makes sense. Sent as <c>Retry-After</c>. Default: not said.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
