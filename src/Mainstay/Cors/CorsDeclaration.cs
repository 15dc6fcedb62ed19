namespace Mainstay;

/// <summary>What pages of other origins may do in a browser. Every method returns the same declaration, so that calls chain.</summary>
public sealed class CorsDeclaration
{
    private readonly List<string> _origins = [];
    private readonly List<string> _headers = [];

    internal CorsDeclaration()
    {
    }

    internal IReadOnlyList<string> Origins => _origins;

    internal IReadOnlyList<string> Headers => _headers;

    internal bool HasCredentials { get; private set; }

    /// <summary>
    /// Lets the browser send cookies and client certificates along. An <c>Authorization</c> header that the page itself sets needs no such permission.
    /// Default: not. Refused together with the origin <c>*</c>.
    /// </summary>
    public CorsDeclaration AllowCredentials()
    {
        HasCredentials = true;
        return this;
    }

    /// <summary>Request headers of the application's own that pages may send, for example <c>Api-Key</c>. Those of the HTTP contract always may be sent.</summary>
    public CorsDeclaration AllowHeaders(params string[] names)
    {
        _headers.AddRange(names);
        return this;
    }

    internal void Add(string[] origins) => _origins.AddRange(origins);
}
