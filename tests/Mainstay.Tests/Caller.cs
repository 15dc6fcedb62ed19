using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Mainstay.Tests;

/// <summary>Somebody who calls over HTTP.</summary>
internal sealed class Caller(HttpClient http, string? authorization, RecordedLogs logs)
{
    private static readonly JsonSerializerOptions web = new(JsonSerializerDefaults.Web);

    public Task<Reply> GetAsync(string path, params string[] headers) => SendAsync("GET", path, null, headers);

    public Task<Reply> PostAsync(string path, object? body, params string[] headers) => SendAsync("POST", path, body, headers);

    public Task<Reply> PutAsync(string path, object? body, params string[] headers) => SendAsync("PUT", path, body, headers);

    public Task<Reply> PatchAsync(string path, object? body, params string[] headers) => SendAsync("PATCH", path, body, ["Content-Type: application/merge-patch+json", .. headers]);

    public Task<Reply> DeleteAsync(string path, params string[] headers) => SendAsync("DELETE", path, null, headers);

    /// <param name="method">The method.</param>
    /// <param name="path">Path and query, sent as they are.</param>
    /// <param name="body">Text or bytes as they are; everything else as JSON; null for none.</param>
    /// <param name="headers">Lines such as <c>If-Match: "v1"</c>. A later line of the same name replaces an earlier one, except after a plus sign.</param>
    public async Task<Reply> SendAsync(string method, string path, object? body, params string[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(http.BaseAddress!.GetLeftPart(UriPartial.Authority) + path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body switch { byte[] bytes => bytes, string document => Encoding.UTF8.GetBytes(document), _ => JsonSerializer.SerializeToUtf8Bytes(body, web) });
            request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        }
        foreach (var line in headers)
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            var isMore = line.StartsWith('+');
            var (name, value) = (line[(isMore ? 1 : 0)..colon], line[(colon + 1)..].Trim(' '));
            HttpHeaders to = name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase) ? request.Content?.Headers ?? (HttpHeaders)request.Headers : request.Headers;
            if (!isMore)
                to.Remove(name);
            if (value.Length > 0)
                to.TryAddWithoutValidation(name, value);
        }
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        var values = response.Headers.Concat(response.Content.Headers).ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase);
        var sent = await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        return new Reply((int)response.StatusCode, Encoding.UTF8.GetString(sent), values) { Bytes = sent, Error = response.StatusCode == System.Net.HttpStatusCode.InternalServerError ? logs.Lines.LastOrDefault(line => line.Error is not null).Error : null };
    }

    /// <summary>Everything of a list, page by page.</summary>
    public async Task<List<JsonElement>> WalkAsync(string path, Func<Task>? between = null)
    {
        var rows = new List<JsonElement>();
        for (string? cursor = null; ;)
        {
            var page = (await GetAsync(cursor is null ? path : $"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}cursor={cursor}")).Expect(200);
            rows.AddRange(page.Data.EnumerateArray());
            cursor = page.Meta.GetProperty("nextCursor").GetString();
            page.Header("Link").ShouldBe(cursor is null ? null : page.Header("Link"));
            if (cursor is null)
                return rows;
            if (between is not null)
                await between();
        }
    }
}

/// <summary>What came back.</summary>
internal sealed record Reply(int Status, string Text, IReadOnlyDictionary<string, string> Headers)
{
    /// <summary>The body as it was sent, in its content coding.</summary>
    public byte[] Bytes { get; init; } = [];

    /// <summary>What the backend logged about a 500, for the message of a test that did not expect one.</summary>
    public Exception? Error { get; init; }

    public JsonElement Json => JsonElement.Parse(Text);

    public JsonElement Data => Json.GetProperty("data");

    public JsonElement Meta => Json.GetProperty("meta");

    public string Code => Json.GetProperty("code").GetString()!;

    public string Detail => Json.GetProperty("detail").GetString()!;

    public string Id => Member(Data, "id");

    public string ETag => Header("ETag") ?? throw new InvalidOperationException($"There is no ETag in {this}.");

    /// <summary>Faults as <c>#/pointer code</c> or <c>parameter code</c>, in order.</summary>
    public IReadOnlyList<string> Faults => !Json.TryGetProperty("errors", out var errors) ? [] :
        [.. errors.EnumerateArray().Select(error => $"{(error.TryGetProperty("pointer", out var pointer) ? pointer : error.GetProperty("parameter"))} {error.GetProperty("code")}")];

    public string? Header(string name) => Headers.GetValueOrDefault(name);

    /// <summary>Fails with everything that came back unless the status is the expected one.</summary>
    public Reply Expect(int status, string? code = null)
    {
        Status.ShouldBe(status, ToString());
        if (code is not null)
            Code.ShouldBe(code, ToString());
        if (Status >= 400 && Text.Length > 0)
        {
            Header("Content-Type").ShouldBe("application/problem+json");
            Json.GetProperty("status").GetInt32().ShouldBe(Status);
            Header("Cache-Control").ShouldBe("no-store");
        }
        return this;
    }

    public override string ToString() => $"{Status} {string.Join("; ", Headers.Select(header => $"{header.Key}: {header.Value}"))}\n{Text}\n{Error}";

    private static string Member(JsonElement json, string name) => json.GetProperty(name).GetString()!;
}
