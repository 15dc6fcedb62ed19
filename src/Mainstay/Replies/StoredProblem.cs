namespace Mainstay.Internal;

/// <summary>A problem as it is stored for whoever waits for a reply.</summary>
internal sealed record StoredProblem(string Code, int Status, string Title, string Detail, IReadOnlyList<FieldError> Errors, double? RetryAfter = null)
{
    public static string Write(ProblemException problem) =>
        StoredJson.Write(new StoredProblem(problem.Type.Code, problem.Type.Status, problem.Type.Title, problem.Message, problem.Errors, problem.RetryAfter?.TotalSeconds));

    /// <param name="json">What was written.</param>
    /// <param name="known">The problems that the application declares. Another release may have others.</param>
    public static ProblemException Read(string json, IReadOnlyList<ProblemType> known)
    {
        var stored = (StoredProblem)StoredJson.Read(typeof(StoredProblem), json)!;
        var type = known.Concat(ProblemCatalogue.All).FirstOrDefault(type => type.Code == stored.Code) ?? new ProblemType(stored.Code, stored.Status, stored.Title);
        return new ProblemException(type, stored.Detail, stored.Errors) { RetryAfter = stored.RetryAfter is { } seconds ? TimeSpan.FromSeconds(seconds) : null };
    }
}
