namespace Mainstay;

/// <summary>One fault in the input: where it is, what kind it is, and how to mend it.</summary>
/// <param name="Pointer">JSON Pointer (RFC 6901) into the request body as a URI fragment, for example <c>#/items/0/quantity</c>; null for a parameter.</param>
/// <param name="Parameter">Name of the query, route or header parameter; null for a member of the body.</param>
/// <param name="Code">The stable kind of fault in kebab case, for example <c>range</c>.</param>
/// <param name="Detail">The actual value where it is harmless, what was expected, and what to do.</param>
public sealed record FieldError(string? Pointer, string? Parameter, string Code, string Detail)
{
    internal static FieldError At(string pointer, string code, string detail) => new(pointer, null, code, detail);

    internal static FieldError In(string parameter, string code, string detail) => new(null, parameter, code, detail);
}
