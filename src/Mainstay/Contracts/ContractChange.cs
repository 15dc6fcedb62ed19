namespace Mainstay.Internal;

internal enum ContractRating
{
    /// <summary>Clients that keep to the contract notice nothing.</summary>
    Compatible,

    /// <summary>Some client that works today fails, or its generated code no longer compiles.</summary>
    Breaking,
}

/// <summary>One difference between two versions of a document.</summary>
/// <param name="Rating">Whether it breaks somebody.</param>
/// <param name="Operation">Method and path, for example <c>POST /v1/orders</c>.</param>
/// <param name="Pointer">JSON Pointer of the place in the new document, or in the old one when it is gone.</param>
/// <param name="What">What changed, from what to what.</param>
/// <param name="Whom">Who notices, for example "clients that read data.total".</param>
/// <param name="Instead">What to do instead of breaking them; empty when nobody breaks.</param>
internal sealed record ContractChange(ContractRating Rating, string Operation, string Pointer, string What, string Whom, string Instead)
{
    /// <summary>The value as <see cref="What"/> names it; the same member of a shared schema has another name in each place.</summary>
    public string Subject { get; init; } = "";

    public bool IsBreaking => Rating == ContractRating.Breaking;
}
