namespace Mainstay;

/// <summary>What a result is about, for envelopes that name it: <c>{"product": {…}}</c>, <c>{"products": […]}</c>.</summary>
/// <param name="Operation">The operation that answers, for example <c>GET /v1/products</c>.</param>
/// <param name="Collection">The last segment of the resource's path, for example <c>products</c>; null when the result is not rows of a resource.</param>
/// <param name="Item">The resource's record in camelCase, for example <c>product</c>; null when the result is not a row of a resource.</param>
public sealed record ResultSubject(string Operation, string? Collection, string? Item);

/// <summary>Where in a list a page is.</summary>
/// <param name="Size">How many rows were asked for.</param>
/// <param name="Count">How many rows the page has.</param>
/// <param name="NextCursor">Where the next page begins; null on the last one.</param>
public readonly record struct ResultPage(int Size, int Count, string? NextCursor);
