using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>
/// <c>/docs</c>: Swagger UI on the document, from the application itself. Script and style of the UI come embedded in its package; page, start
/// script and colours are ours, so that nothing is inline and nothing is fetched from elsewhere.
/// </summary>
internal static class DocumentationPage
{
    private const string Folder = "docs";

    // Swagger UI draws its icons as data: images and its editor sets style attributes; it evaluates no text as code.
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static void Use(WebApplication app, string title, IReadOnlyList<string> versions)
    {
        var page = Encoding.UTF8.GetBytes(Page(title, versions));
        app.UseWhen(http => http.Request.Path.StartsWithSegments($"/{Folder}"), docs => docs.Use((http, next) =>
        {
            http.Response.Headers.ContentSecurityPolicy = ContentSecurityPolicy;
            http.Response.Headers["Referrer-Policy"] = "no-referrer";
            http.Response.OnStarting(static response =>
            {
                ((HttpResponse)response).Headers.Remove("x-swagger-ui-version"); // tells strangers which advisories apply
                return Task.CompletedTask;
            }, http.Response);
            return next(http);
        }));
        app.UseSwaggerUI(ui =>
        {
            ui.RoutePrefix = Folder;
            ui.IndexStream = () => new MemoryStream(page);
        });
        new FixedAnswer(Resource("docs.js"), "text/javascript; charset=utf-8").Map(app, $"/{Folder}/docs.js");
        new FixedAnswer(Resource("docs.css"), "text/css; charset=utf-8").Map(app, $"/{Folder}/docs.css");
    }

    private static string Page(string title, IReadOnlyList<string> versions)
    {
        var links = string.Concat(versions.Reverse().Select(version => $"""<a href="?version={version}" data-version="{version}">{version}</a>"""));
        return Encoding.UTF8.GetString(Resource("docs.html"))
            .Replace("{title}", HtmlEncoder.Default.Encode(title), StringComparison.Ordinal)
            .Replace("{versions}", links, StringComparison.Ordinal);
    }

    private static byte[] Resource(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"openapi/{name}")!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
