using System.Text.Json.Nodes;

namespace Mainstay.Tests;

/// <summary>The document and what is served, side by side.</summary>
public sealed class ContractTests(ReportsFixture reports) : IClassFixture<ReportsFixture>
{
    private Caller Ann => reports.Ann;

    [Fact]
    public async Task Every_answer_is_in_the_document_with_its_headers_and_fits_its_schema()
    {
        var document = JsonNode.Parse((await Ann.GetAsync("/v1/openapi.json")).Expect(200).Text)!;
        var location = await Ann.BuildAsync("slow by the book");
        await reports.Desk.ArrivedAsync("slow by the book");
        var running = await Ann.GetAsync(location);

        Conforms(document, "/v1/reports", "post", await Ann.PostAsync("/v1/reports", new { title = "by the book" }, "Prefer: respond-async"), 202);
        Conforms(document, "/v1/reports", "post", await Ann.PostAsync("/v1/reports", new { title = "by the book, waited" }, "Prefer: wait=20"), 201);
        Conforms(document, "/v1/reports", "post", await Ann.PostAsync("/v1/reports", new { title = "dull by the book" }, "Prefer: wait=20"), 422);
        Conforms(document, "/operations/{id}", "get", running, 200);
        Conforms(document, "/operations/{id}", "get", await Ann.GetAsync(location, $"If-None-Match: {running.ETag}"), 304);
        Conforms(document, "/operations/{id}/result", "get", await Ann.GetAsync(location + "/result"), 409);
        Conforms(document, "/operations/{id}/cancel", "post", await Ann.PostAsync(location + "/cancel", null), 202);
        Conforms(document, "/operations/{id}", "get", await Ann.EndedAsync(location), 200);
        Conforms(document, "/operations/{id}/result", "get", await Ann.GetAsync(location + "/result"), 409);
        Conforms(document, "/operations/{id}/cancel", "post", await Ann.PostAsync(location + "/cancel", null), 409);
        Conforms(document, "/operations/{id}", "get", await Ann.GetAsync("/operations/op_01h455vb4pex5vsknk084sn02q"), 404);
        var made = await Ann.BuildAsync("made by the book");
        Conforms(document, "/operations/{id}", "get", await Ann.EndedAsync(made), 200);
        Conforms(document, "/operations/{id}/result", "get", await Ann.GetAsync(made + "/result"), 303);
        var refused = await Ann.BuildAsync("dull and made by the book");
        Conforms(document, "/operations/{id}", "get", await Ann.EndedAsync(refused), 200);
        Conforms(document, "/operations/{id}/result", "get", await Ann.GetAsync(refused + "/result"), 422);
    }

    [Fact]
    public async Task The_links_of_an_accepted_command_lead_to_operations_of_the_document()
    {
        var document = JsonNode.Parse((await Ann.GetAsync("/openapi.json")).Expect(200).Text)!;
        var ids = document["paths"]!.AsObject().SelectMany(path => path.Value!.AsObject()).Select(operation => operation.Value!["operationId"]!.GetValue<string>()).ToArray();
        var check = new SchemaCheck(document);

        var links = document["paths"]!["/v1/reports"]!["post"]!["responses"]!["202"]!["links"]!.AsObject();

        links.Select(link => link.Key).ShouldBe(["status", "result", "cancel"]);
        foreach (var (_, link) in links)
        {
            ids.ShouldContain(check.Resolve(link!)["operationId"]!.GetValue<string>());
            check.Resolve(link!)["parameters"]!["id"]!.GetValue<string>().ShouldBe("$response.body#/data/id");
        }
    }

    [Fact]
    public async Task The_preference_and_the_time_limit_are_documented()
    {
        var document = JsonNode.Parse((await Ann.GetAsync("/openapi.json")).Expect(200).Text)!;
        var command = document["paths"]!["/v1/reports"]!["post"]!;

        command["description"]!.GetValue<string>().ShouldContain("within 30 s");
        command["parameters"]!.AsArray().Select(parameter => new SchemaCheck(document).Resolve(parameter!)["name"]!.GetValue<string>()).ShouldContain("Prefer");
        document["paths"]!["/v1/plain"]!["post"]!["responses"]!["202"].ShouldBeNull();
    }

    private static void Conforms(JsonNode document, string path, string method, Reply reply, int status)
    {
        reply.Expect(status);
        var check = new SchemaCheck(document);
        var documented = document["paths"]![path]![method]!["responses"]![$"{status}"] ?? throw new KeyNotFoundException($"{method} {path} documents no {status}.");
        var answer = check.Resolve(documented);
        var headers = answer["headers"]!.AsObject();
        foreach (var name in new[] { "Location", "Retry-After", "ETag", "Preference-Applied", "Vary" }.Where(name => reply.Header(name) is not null))
            headers.ContainsKey(name).ShouldBeTrue($"{method} {path} {status} has {name} undocumented.");
        if (answer["content"] is { } content)
            check.Check(JsonNode.Parse(reply.Text), content[reply.Header("Content-Type")!]!["schema"]!, $"{method} {path} {status}");
        else
            reply.Text.ShouldBe("");
        check.Findings.ShouldBeEmpty();
    }
}
