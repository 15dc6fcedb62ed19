using System.IO.Compression;
using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Swashbuckle.AspNetCore.SwaggerUI;

namespace Mainstay.Internal;

/// <summary>
/// <c>/docs</c>: Swagger UI on the document, from the application itself. Script and style of the UI come embedded in its package; page, start
/// script and colours are ours, so that nothing is inline and nothing is fetched from elsewhere. Each file is an endpoint like any other, so
/// that methods, HEAD and ETags are as everywhere.
/// </summary>
internal static class DocumentationPage
{
    private const string Folder = "docs";

    // Swagger UI draws its icons as data: images and its editor sets style attributes; it evaluates no text as code.
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly IReadOnlyList<KeyValuePair<string, string>> headers = [new("Content-Security-Policy", ContentSecurityPolicy), new("Referrer-Policy", "no-referrer")];

    public static void Map(WebApplication app, string title, IReadOnlyList<string> versions)
    {
        app.MapMethods($"/{Folder}", ["GET", "HEAD"], static http =>
        {
            http.Response.Headers.CacheControl = "no-cache";
            http.Response.Redirect($"/{Folder}/index.html");
            http.Response.ContentLength = 0; // said for HEAD as well
            return Task.CompletedTask;
        });
        Serve("index.html", "text/html", Encoding.UTF8.GetBytes(Page(title, versions)));
        Serve("docs.js", "text/javascript", Resource(Assembly.GetExecutingAssembly(), "openapi/docs.js"));
        Serve("docs.css", "text/css", Resource(Assembly.GetExecutingAssembly(), "openapi/docs.css"));
        foreach (var (file, type) in new[] { ("swagger-ui-bundle.js", "text/javascript"), ("swagger-ui.css", "text/css") })
            Serve(file, type, Resource(typeof(SwaggerUIOptions).Assembly, $"Swashbuckle.AspNetCore.SwaggerUI.node_modules.swagger_ui_dist.{file}"));

        void Serve(string file, string type, byte[] content) => new FixedAnswer(content, type + "; charset=utf-8") { Headers = headers }.Map(app, $"/{Folder}/{file}");
    }

    private static string Page(string title, IReadOnlyList<string> versions)
    {
        var links = string.Concat(versions.Reverse().Select(version => $"""<a href="?version={version}" data-version="{version}">{version}</a>"""));
        return Encoding.UTF8.GetString(Resource(Assembly.GetExecutingAssembly(), "openapi/docs.html"))
            .Replace("{title}", HtmlEncoder.Default.Encode(title), StringComparison.Ordinal)
            .Replace("{versions}", links, StringComparison.Ordinal);
    }

    /// <summary>An embedded file. The package keeps its own ones compressed.</summary>
    private static byte[] Resource(Assembly assembly, string name)
    {
        using var stream = assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"{name} is not embedded in {assembly.GetName().Name}. The package has changed; adapt the name.");
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        if (bytes.ToArray() is not [0x1f, 0x8b, ..] content)
            return bytes.ToArray();
        using var plain = new MemoryStream();
        using var gzip = new GZipStream(new MemoryStream(content), CompressionMode.Decompress);
        gzip.CopyTo(plain);
        return plain.ToArray();
    }
}
