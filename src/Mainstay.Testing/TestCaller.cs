using System.Net.Http.Headers;
using System.Text;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>Somebody who calls the backend over HTTP, on a connection to this machine: framing, limits and headers are those that a client meets.</summary>
public sealed class TestCaller
{
    private readonly TestBackend _backend;
    private readonly string? _authorization;

    internal TestCaller(TestBackend backend, string? authorization) => (_backend, _authorization) = (backend, authorization);

    /// <summary>A new client with this caller's credential, for generated clients and for what the methods here do not do. It calls the node that answered at that moment.</summary>
    public HttpClient CreateClient()
    {
        var client = new HttpClient(_backend.Http, disposeHandler: false) { BaseAddress = _backend.Node.Address };
        if (_authorization is not null)
            client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", _authorization);
        return client;
    }

    /// <summary>Calls GET.</summary>
    /// <param name="path">Path and query.</param>
    /// <param name="headers">Lines such as <c>If-None-Match: "v1"</c>.</param>
    public Task<TestReply> GetAsync(string path, params string[] headers) => SendAsync("GET", path, null, headers);

    /// <summary>Calls POST.</summary>
    /// <param name="path">Path and query.</param>
    /// <param name="body">A record or an anonymous object, sent as JSON; text as it is; null for none.</param>
    /// <param name="headers">Lines such as <c>Idempotency-Key: "1"</c>.</param>
    public Task<TestReply> PostAsync(string path, object? body = null, params string[] headers) => SendAsync("POST", path, body, headers);

    /// <summary>Calls PUT.</summary>
    /// <param name="path">Path and query.</param>
    /// <param name="body">As for <see cref="PostAsync"/>.</param>
    /// <param name="headers">Lines such as <c>If-Match: "v1"</c>.</param>
    public Task<TestReply> PutAsync(string path, object? body, params string[] headers) => SendAsync("PUT", path, body, headers);

    /// <summary>Calls PATCH with a merge patch.</summary>
    /// <param name="path">Path and query.</param>
    /// <param name="body">As for <see cref="PostAsync"/>.</param>
    /// <param name="headers">Lines such as <c>If-Match: "v1"</c>.</param>
    public Task<TestReply> PatchAsync(string path, object? body, params string[] headers) => SendAsync("PATCH", path, body, ["Content-Type: application/merge-patch+json", .. headers]);

    /// <summary>Calls DELETE.</summary>
    /// <param name="path">Path and query.</param>
    /// <param name="headers">Lines such as <c>If-Match: "v1"</c>.</param>
    public Task<TestReply> DeleteAsync(string path, params string[] headers) => SendAsync("DELETE", path, null, headers);

    /// <summary>Calls with any method.</summary>
    /// <param name="method">The method.</param>
    /// <param name="path">Path and query.</param>
    /// <param name="body">As for <see cref="PostAsync"/>.</param>
    /// <param name="headers">Lines. A later one takes the place of an earlier one with the same name.</param>
    /// <exception cref="HttpRequestException">There was no answer: the node died, for example.</exception>
    public async Task<TestReply> SendAsync(string method, string path, object? body, params string[] headers)
    {
        ArgumentNullException.ThrowIfNull(headers);
        using var client = CreateClient();
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(client.BaseAddress!.GetLeftPart(UriPartial.Authority) + path));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body switch { byte[] bytes => bytes, string text => Encoding.UTF8.GetBytes(text), _ => Encoding.UTF8.GetBytes(TestJson.Of(body)) });
            request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        }
        foreach (var line in headers)
            Add(request, line);
        using var response = await client.SendAsync(request);
        return new TestReply((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync(),
            response.Headers.Concat(response.Content.Headers).ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase), _backend.Run.Log);
    }

    private static void Add(HttpRequestMessage request, string line)
    {
        var colon = line.IndexOf(':', StringComparison.Ordinal);
        if (colon < 1)
            throw new ArgumentException($"'{line}' is no header line, expected a name, a colon and a value.", nameof(line));
        var name = line[..colon];
        HttpHeaders to = name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase) && request.Content is { } content ? content.Headers : request.Headers;
        to.Remove(name);
        to.TryAddWithoutValidation(name, line[(colon + 1)..].Trim(' '));
    }
}
