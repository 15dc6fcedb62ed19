namespace Mainstay;

/// <summary>What the declarations alone do not tell the generated checks.</summary>
public sealed record CheckOptions
{
    /// <summary>Operations that change data and that anyone may call without having signed in, for example <c>POST /v1/sign-ups</c>. Default: none, so that each of them is a finding.</summary>
    public IReadOnlyCollection<string> Public { get; init; } = [];

    /// <summary>
    /// By the name of an operation, what a valid body of it is, as <see cref="TestCaller.PostAsync"/> takes it; made anew for each call of a check, on a database that has the rows which the
    /// function inserts. Default: made from the declarations.
    /// </summary>
    public IReadOnlyDictionary<string, Func<TestBackend, Task<object>>> Inputs { get; init; } = new Dictionary<string, Func<TestBackend, Task<object>>>();

    /// <summary>Checks that are left out, by their name, with the reason. They are reported as skipped. Default: none.</summary>
    public IReadOnlyDictionary<string, string> Except { get; init; } = new Dictionary<string, string>();
}
