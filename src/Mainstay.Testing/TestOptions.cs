namespace Mainstay;

/// <summary>How a <see cref="TestBackend"/> differs from the application. Default: only in its clock, in who may sign in, and in that it logs nothing to the terminal.</summary>
public sealed record TestOptions
{
    /// <summary>The name of the environment, which says which <c>appsettings</c> are for it. Default: <c>Test</c>, which is not development, so that there are no seeds and no development keys.</summary>
    public string Environment { get; init; } = "Test";

    /// <summary>Settings that win over all others, for example <c>["Mainstay:Queues:Workers"] = "1"</c>. Default: none.</summary>
    public IReadOnlyDictionary<string, string?> Settings { get; init; } = new Dictionary<string, string?>();

    /// <summary>Called with each node's backend after its declarations, for example to put a fake in the place of a service. Default: nothing.</summary>
    public Action<Backend> Configure { get; init; } = static _ => { };
}
