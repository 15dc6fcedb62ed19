using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Mainstay.Internal;

/// <summary>
/// Serves the contract: <c>/openapi.json</c> for the newest version, <c>/v1/openapi.json</c> for each, <c>/docs</c> for people, and a page for
/// every problem code. Document and documentation are on in development and, elsewhere, where <c>Mainstay:Docs</c> is true; the pages of
/// problems are always there, because every refusal points at one.
/// </summary>
internal static class OpenApiEndpoints
{
    public const string Setting = "Mainstay:Docs";

    public static void Map(WebApplication app, Backend backend, BackendModel model)
    {
        ProblemPages.Map(app, backend.Name, model, backend.Problems);
        if (!IsOn(backend))
            return;
        var source = new OpenApiSource(OpenApiAbout.Of(backend.Name, backend.Configuration, backend.Builder.Environment), model.Operations, backend.Resources) { KeyLifetime = IdempotencySettings.Of(backend.Configuration).Lifetime, Format = backend.Wire };
        var versions = ApiVersions.All(model.Operations);
        foreach (var version in versions)
        {
            var document = new FixedAnswer(OpenApiDocument.Write(source, version), WireFormat.Json);
            document.Map(app, $"/{version}/openapi.json");
            if (version == versions[^1])
                document.Map(app, "/openapi.json");
        }
        DocumentationPage.Map(app, source.About.Title, versions);
    }

    private static bool IsOn(Backend backend) => backend.Configuration[Setting] is { Length: > 0 } text
        ? text.Equals("true", StringComparison.OrdinalIgnoreCase)
        : backend.Builder.Environment.IsDevelopment();
}

/// <summary>An answer that is the same for everybody until the process ends: made once, with a strong ETag.</summary>
internal sealed class FixedAnswer(byte[] body, string contentType)
{
    private static readonly string[] getAndHead = ["GET", "HEAD"];

    private readonly string _etag = $"\"{Convert.ToHexStringLower(SHA256.HashData(body).AsSpan(0, 12))}\"";

    /// <summary>More headers, for example a Content-Security-Policy.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];

    public void Map(WebApplication app, string path) => app.MapMethods(path, getAndHead, SendAsync);

    // no-cache: keep it, but ask whether it is still true. A deployment changes it without changing its address.
    public Task SendAsync(HttpContext http) =>
        AnswerSender.SendAsync(http, new Answer(StatusCodes.Status200OK, body) { Headers = [new("ETag", _etag), new("Cache-Control", "no-cache"), .. Headers, new("Content-Type", contentType)] });
}
