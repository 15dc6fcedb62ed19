namespace Mainstay;

/// <summary>A kind of refusal that clients can branch on: a stable code, the HTTP status it is answered with, and a title.</summary>
public sealed class ProblemType
{
    internal ProblemType(string code, int status, string title)
    {
        Code = code;
        Status = status;
        Title = title;
    }

    /// <summary>The stable name that clients branch on, in kebab case, for example <c>out-of-stock</c>. Sent as <c>code</c>.</summary>
    public string Code { get; }

    /// <summary>The HTTP status, 400 to 599.</summary>
    public int Status { get; }

    /// <summary>What kind of problem this is, the same for every occurrence.</summary>
    public string Title { get; }

    /// <summary>Creates the exception that refuses the call. Throwing it rolls the unit of work back.</summary>
    /// <param name="detail">What happened this time, for the client's developer: the actual value, what was expected, what to do next. No secrets.</param>
    public ProblemException Because(string detail) => new(this, detail, []);

    internal ProblemException Because(string detail, params IReadOnlyList<FieldError> errors) => new(this, detail, errors);
}
