namespace Mainstay;

/// <summary>What a result is about, for envelopes that name it: <c>{"product": {…}}</c>, <c>{"products": […]}</c>.</summary>
/// <param name="Operation">The operation that answers, for example <c>GET /v1/products</c>.</param>
/// <param name="IsCommand">Whether it changes data.</param>
/// <param name="Collection">The last segment of the resource's path, for example <c>products</c>; null when the result is not rows of a resource.</param>
/// <param name="Item">The resource's record in camelCase, for example <c>product</c>; null when the result is not a row of a resource.</param>
public sealed record ResultSubject(string Operation, bool IsCommand, string? Collection, string? Item);
