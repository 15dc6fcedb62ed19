using System.Collections.Frozen;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>
/// <c>/problems/{code}</c>: where the <c>type</c> of every refusal leads. HTML for people, JSON for whoever asks for it. The framework's texts
/// are the pages of <c>docs/errors</c>, embedded; the application's problems show their title and the operations that refuse with them.
/// </summary>
internal static class ProblemPages
{
    private const string Style = """
        body{margin:0;background:#f6f9fa;color:#0f2730;font:1rem/1.6 system-ui,sans-serif}main{max-width:46rem;margin:3rem auto;padding:0 1.5rem}
        h1{font-size:1.6rem;margin:0 0 .2rem}.status{color:#55707a;margin:0 0 1.5rem}a{color:#0b7285}
        code,pre{font-family:ui-monospace,monospace;font-size:.92em;background:#e8eff1;border-radius:4px}code{padding:.1em .3em}pre{padding:.8rem 1rem;overflow:auto}pre code{padding:0}
        """;

    private static readonly HtmlEncoder encoder = HtmlEncoder.Create(System.Text.Unicode.UnicodeRanges.All);

    private static readonly string policy = $"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Style)))}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static void Map(WebApplication app, string name, BackendModel model, IReadOnlyList<ProblemType> declared)
    {
        var pages = ProblemCatalogue.All.Select(type => (Type: type, Text: TextOf(type)))
            .Concat(declared.Select(type => (Type: type, Text: TextOf(type, model)))).ToArray();
        var answers = pages.ToFrozenDictionary(page => page.Type.Code, page => (Html: Html(name, page.Type, page.Text), Json: Json(page.Type, page.Text)), StringComparer.Ordinal);
        app.MapMethods("/problems/{code}", ["GET", "HEAD"], http =>
        {
            if (!answers.TryGetValue((string)http.Request.RouteValues["code"]!, out var page))
            {
                http.Response.StatusCode = StatusCodes.Status404NotFound; // becomes a problem document like every bare status
                return Task.CompletedTask;
            }
            return (WantsJson(http.Request) ? page.Json : page.Html).SendAsync(http);
        });
    }

    /// <summary>The page of a framework's problem: title in the first line, then text.</summary>
    public static string TextOf(ProblemType type)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"problems/{type.Code}.md")
            ?? throw new InvalidOperationException($"docs/errors/{type.Code}.md is not part of the build. Write the page.");
        using var reader = new StreamReader(stream);
        var text = reader.ReadToEnd().ReplaceLineEndings("\n");
        return text[(text.IndexOf('\n', StringComparison.Ordinal) + 1)..].Trim();
    }

    private static string TextOf(ProblemType type, BackendModel model)
    {
        var text = new StringBuilder("This application declares the problem; `detail` of the answer says what happened this time. Nothing was changed.");
        var operations = model.Operations.Where(operation => !operation.IsInternal && Refusals(operation).Contains(type)).Select(operation => $"- `{operation.Name}`").ToArray();
        if (operations.Length > 0)
            text.Append("\n\n**Who refuses with it.**\n\n").AppendJoin('\n', operations);
        return text.ToString();
    }

    private static IReadOnlyList<ProblemType> Refusals(Operation operation) => operation switch
    {
        DeclaredCommand command => command.Declaration.Refusals,
        DeclaredQuery query => query.Declaration.Refusals,
        _ => [],
    };

    /// <summary>Whoever names JSON and not HTML gets JSON; browsers name HTML, and everything else is read by people.</summary>
    private static bool WantsJson(HttpRequest request) => request.Headers.Accept.ToString() is var accept
        && accept.Contains("json", StringComparison.OrdinalIgnoreCase) && !accept.Contains("text/html", StringComparison.OrdinalIgnoreCase);

    private static FixedAnswer Json(ProblemType type, string text) => new(JsonSerializerBytes(new JsonObject
    {
        ["data"] = new JsonObject { ["code"] = type.Code, ["status"] = type.Status, ["title"] = type.Title, ["description"] = text },
        ["meta"] = new JsonObject(),
    }), WireFormat.Json) { Headers = [new("Vary", "Accept")] };

    private static byte[] JsonSerializerBytes(JsonNode node) => Encoding.UTF8.GetBytes(node.ToJsonString(new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));

    private static FixedAnswer Html(string name, ProblemType type, string text) => new(Encoding.UTF8.GetBytes($"""
        <!doctype html>
        <html lang="en">
        <head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{encoder.Encode(type.Title)} – {encoder.Encode(name)}</title><style>{Style}</style></head>
        <body><main>
        <h1>{encoder.Encode(type.Title)}</h1>
        <p class="status"><code>{type.Code}</code>, HTTP status {type.Status}</p>
        {PageText.Html(text, encoder)}
        </main></body>
        </html>

        """), "text/html; charset=utf-8") { Headers = [new("Content-Security-Policy", policy), new("Vary", "Accept")] };
}
