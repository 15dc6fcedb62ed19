using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Mainstay.Internal;

namespace Mainstay.Tests;

public sealed class OpenApiDocumentTests(Library library) : IClassFixture<Library>
{
    private const string Snapshot = "tests/Mainstay.Tests/OpenApi/library.v1.json";

    [Fact]
    public async Task The_document_of_a_backend_changes_only_on_purpose()
    {
        var served = (await library.Client.GetStringAsync("/v1/openapi.json", TestContext.Current.CancellationToken)) + "\n";

        var file = Path.Combine(Root(), Snapshot);
        if (Environment.GetEnvironmentVariable("MAINSTAY_ACCEPT") == "1")
            await File.WriteAllTextAsync(file, served, TestContext.Current.CancellationToken);
        var accepted = File.Exists(file) ? (await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)).ReplaceLineEndings("\n") : "";
        var at = served.Zip(accepted).TakeWhile(pair => pair.First == pair.Second).Count();

        if (served != accepted)
            Assert.Fail($"The document differs from {Snapshot} at character {at}:\n{Around(accepted, at)}\nbecame\n{Around(served, at)}\nRead the difference as a client would; then accept it: MAINSTAY_ACCEPT=1 dotnet test tests/Mainstay.Tests");
    }

    [Fact]
    public void The_same_declarations_give_the_same_bytes()
    {
        var first = Library.Declare();
        var second = Library.Declare();

        Written(first).ShouldBe(Written(second));

        static byte[] Written(Backend backend) =>
            OpenApiDocument.Write(new OpenApiSource(OpenApiAbout.Of(backend.Name, backend.Configuration, backend.Builder.Environment), BackendModel.Build(backend).Operations, backend.Resources), "v1");
    }

    [Fact]
    public async Task Each_version_has_its_document_and_the_newest_stands_at_the_root()
    {
        var first = await DocumentAsync("/v1/openapi.json");
        var second = await DocumentAsync("/v2/openapi.json");
        var root = await DocumentAsync("/openapi.json");

        first["paths"]!.AsObject().ShouldAllBe(path => path.Key.StartsWith("/v1/"));
        second["paths"]!.AsObject().Select(path => path.Key).ShouldBe(["/v2/opening"]);
        JsonNode.DeepEquals(root, second).ShouldBeTrue();
    }

    [Fact]
    public async Task A_client_that_has_the_document_is_told_so()
    {
        using var first = await library.Client.GetAsync("/openapi.json", TestContext.Current.CancellationToken);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/openapi.json") { Headers = { IfNoneMatch = { first.Headers.ETag! } } };
        using var second = await library.Client.SendAsync(request, TestContext.Current.CancellationToken);

        first.Headers.ETag!.IsWeak.ShouldBeFalse();
        first.Headers.CacheControl!.NoCache.ShouldBeTrue();
        second.StatusCode.ShouldBe(HttpStatusCode.NotModified);
    }

    [Fact]
    public async Task Every_reference_leads_somewhere_and_every_component_is_referred_to()
    {
        var document = await DocumentAsync("/v1/openapi.json");
        var check = new SchemaCheck(document);
        var references = Descendants(document).OfType<JsonObject>().Select(node => (node["$ref"] as JsonValue)?.GetValue<string>()).OfType<string>().ToHashSet();

        foreach (var reference in references)
            check.Follow(reference).ShouldNotBeNull();

        foreach (var (kind, parts) in document["components"]!.AsObject().Where(kind => kind.Key != "securitySchemes"))
            foreach (var (name, _) in parts!.AsObject())
                references.ShouldContain($"#/components/{kind}/{name}");
    }

    [Fact]
    public async Task Operation_ids_are_unique_and_read_like_method_names()
    {
        var document = await DocumentAsync("/v1/openapi.json");

        var ids = Operations(document).Select(operation => operation.Operation["operationId"]!.GetValue<string>()).ToArray();

        ids.ShouldBeUnique();
        ids.ShouldContain("listAuthors");
        ids.ShouldContain("listAuthorBooks");
        ids.ShouldContain("createAuthorBook");
        ids.ShouldContain("createBooks");
        ids.ShouldContain("updateBook");
        ids.ShouldContain("lendBook");
        ids.ShouldContain("getReportsPages");
    }

    [Fact]
    public async Task Every_input_is_bounded()
    {
        var document = await DocumentAsync("/v1/openapi.json");
        var unbounded = new List<string>();

        foreach (var node in Descendants(document).OfType<JsonObject>().Where(node => node["type"] is JsonValue or JsonArray && node["in"] is null && node["scheme"] is null))
            foreach (var type in node["type"] is JsonArray types ? types.Select(type => type!.GetValue<string>()) : [node["type"]!.GetValue<string>()])
                if (type switch
                {
                    "string" => node["enum"] is null && node["maxLength"] is null,
                    "integer" or "number" => (node["minimum"] ?? node["exclusiveMinimum"]) is null || (node["maximum"] ?? node["exclusiveMaximum"]) is null,
                    "array" => node["maxItems"] is null,
                    _ => false,
                })
                    unbounded.Add(node.GetPath());

        unbounded.Where(path => !path.Contains(".value", StringComparison.Ordinal)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("lendBook", "200 204")]             // a row, the one in the path; nothing when that is preferred
    [InlineData("returnBook", "200 204")]           // that row, or nothing
    [InlineData("forgetAuthor", "204")]
    [InlineData("createAuthor", "201")]
    [InlineData("getReportsPages", "200")]
    public async Task The_type_of_the_result_says_how_an_operation_succeeds(string operation, string statuses)
    {
        var answers = Operations(await DocumentAsync("/v1/openapi.json")).Single(known => known.Operation["operationId"]!.GetValue<string>() == operation).Operation["responses"]!.AsObject();

        string.Join(' ', answers.Select(answer => answer.Key).Where(status => status.StartsWith('2'))).ShouldBe(statuses);
    }

    /// <summary>Real requests, good and bad: the status is one that the operation documents, and the body and headers are as described there.</summary>
    [Fact]
    public async Task Every_answer_is_as_documented()
    {
        var document = await DocumentAsync("/v1/openapi.json");
        var check = new SchemaCheck(document);
        var seen = new List<string>();

        async Task<JsonNode?> Ask(string expected, string method, string path, string? role = "librarian", string? body = null, params (string Name, string Value)[] headers)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            if (role is not null)
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", library.Running.DevelopmentKeys!.Keys.Any(key => key.Name == role) ? library.Key(role) : role);
            if (body is not null)
                request.Content = new StringContent(body, Encoding.UTF8, method == "PATCH" ? "application/merge-patch+json" : "application/json");
            request.Headers.ExpectContinue = body?.Length > OperationDefaults.BodyBytesMost; // or the server hangs up while the body is still being sent
            foreach (var (name, content) in headers)
            {
                HttpHeaders target = name.StartsWith("Content-", StringComparison.Ordinal) ? request.Content!.Headers : request.Headers;
                target.Remove(name);
                target.TryAddWithoutValidation(name, content);
            }
            using var response = await library.Client.SendAsync(request, TestContext.Current.CancellationToken);
            var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            var at = $"{method} {path} → {(int)response.StatusCode}";
            $"{(int)response.StatusCode}".ShouldBe(expected, $"{at}: {text}");
            var operation = OperationOf(document, method, path.Split('?')[0]);
            seen.Add(operation["operationId"]!.GetValue<string>());
            if (operation["responses"]![expected] is not { } documented)
            {
                check.Findings.Add($"{at}: the status is not documented.");
                return null;
            }
            documented = check.Resolve(documented);
            foreach (var (name, _) in documented["headers"]!.AsObject().Where(header => check.Resolve(header.Value!)["required"]?.GetValue<bool>() == true))
                if (!response.Headers.NonValidated.Contains(name))
                    check.Findings.Add($"{at}: the header {name} is missing.");
            foreach (var name in response.Headers.NonValidated.Select(header => header.Key).Where(name => name is "ETag" or "Location" or "Link" or "Retry-After" or "Idempotency-Replayed" or "Accept-Post" or "Accept-Patch"))
                if (documented["headers"]![name] is null)
                    check.Findings.Add($"{at}: the header {name} is not documented.");
            if (documented["content"] is not { } media)
            {
                text.ShouldBeEmpty(at);
                return null;
            }
            var value = JsonNode.Parse(text);
            if (media[response.Content.Headers.ContentType!.MediaType!] is { } described)
                check.Check(value, described["schema"]!, at);
            else
                check.Findings.Add($"{at}: {response.Content.Headers.ContentType} is not documented.");
            return value;
        }

        string Body(string operationId, string type = "application/json") =>
            Operations(document).Single(known => known.Operation["operationId"]!.GetValue<string>() == operationId).Operation["requestBody"]!["content"]![type]!["examples"]!["example"]!["value"]!.ToJsonString();

        var author = Id(await Ask("201", "POST", "/v1/authors", body: Body("createAuthor"), headers: ("Idempotency-Key", "\"one-author\"")));
        await Ask("201", "POST", "/v1/authors", body: Body("createAuthor"), headers: ("Idempotency-Key", "\"one-author\""));
        await Ask("422", "POST", "/v1/authors", body: """{"name":"Other"}""", headers: ("Idempotency-Key", "\"one-author\""));
        await Ask("409", "POST", "/v1/authors", body: Body("createAuthor"));
        await Ask("400", "POST", "/v1/authors", body: """{"name":5,"nme":""}""");
        await Ask("400", "POST", "/v1/authors", body: "{");
        await Ask("400", "POST", "/v1/authors", body: "{}", headers: ("Idempotency-Key", "a, b"));
        await Ask("401", "POST", "/v1/authors", role: null, body: "{}");
        await Ask("403", "POST", "/v1/authors", role: "reader", body: "{}");
        await Ask("406", "POST", "/v1/authors", body: "{}", headers: ("Accept", "text/html"));
        await Ask("413", "POST", "/v1/authors", body: $"\"{new string('x', OperationDefaults.BodyBytesMost)}\"");
        await Ask("415", "POST", "/v1/authors", body: "{}", headers: ("Content-Type", "text/plain"));
        await Ask("415", "POST", "/v1/authors", body: "{}", headers: ("Content-Encoding", "gzip"));
        await Ask("201", "POST", "/v1/authors:batch", body: """[{"name":"A"},{"name":"B"},{"name":"C"}]""");
        await Ask("400", "POST", "/v1/authors:batch", body: "[]");
        await Ask("200", "PATCH", "/v1/authors:batch", body: $$"""[{"id":"{{author}}","ifMatch":"\"v1\"","name":"Ada"}]""", headers: ("Content-Type", "application/json"));
        await Ask("412", "PATCH", "/v1/authors:batch", body: $$"""[{"id":"{{author}}","ifMatch":"\"v1\"","name":"Eve"}]""", headers: ("Content-Type", "application/json"));
        await Ask("404", "PATCH", "/v1/authors:batch", body: """[{"id":"author_01h455vb4pex5vsknk084sn02q"}]""", headers: ("Content-Type", "application/json"));
        await Ask("400", "PATCH", "/v1/authors:batch", body: "[{}]", headers: ("Content-Type", "application/json"));
        var spare = Id(await Ask("201", "POST", "/v1/authors", body: """{"name":"Spare"}"""));
        await Ask("204", "POST", "/v1/authors:batchDelete", body: $"""["{spare}"]""");
        await Ask("404", "POST", "/v1/authors:batchDelete", body: $"""["{spare}"]""");
        await Ask("400", "POST", "/v1/authors:batchDelete", body: "[1]");
        await Ask("200", "GET", "/v1/authors?pageSize=2&sort=-name", role: null);
        await Ask("200", "GET", "/v1/authors?fields=name&include=books", role: null);
        await Ask("400", "GET", "/v1/authors?page=2", role: null);
        await Ask("400", "GET", "/v1/authors?cursor=abc", role: null);
        await Ask("401", "GET", "/v1/authors", role: "wrong");
        await Ask("200", "GET", $"/v1/authors/{author}", role: null);
        await Ask("304", "GET", $"/v1/authors/{author}", role: null, headers: ("If-None-Match", "*"));
        await Ask("404", "GET", "/v1/authors/nobody", role: null);
        await Ask("200", "PATCH", $"/v1/authors/{author}", body: """{"name":"Ada L","email":null}""", headers: ("If-Match", "\"v2\""));
        await Ask("412", "PATCH", $"/v1/authors/{author}", body: """{"name":"Bob"}""", headers: ("If-Match", "\"v1\""));
        await Ask("415", "PATCH", $"/v1/authors/{author}", body: "{}", headers: ("Content-Type", "text/plain"));
        await Ask("200", "PUT", $"/v1/authors/{author}", body: """{"name":"Ada"}""");
        await Ask("404", "PUT", "/v1/authors/author_01h455vb4pex5vsknk084sn02q", body: """{"name":"Ada"}""");
        await Ask("204", "POST", $"/v1/authors/{author}/forget");

        var bookBody = $$"""{"authorId":"{{author}}","title":"T","genre":"poetryAndDrama","pages":3,"isbn":"1234567890123","published":"2026-01-31","cover":"AA==","extra":{"a":[1]} }""";
        var book = Id(await Ask("201", "POST", "/v1/books", body: bookBody));
        await Ask("422", "POST", "/v1/books", body: bookBody.Replace(author, "author_01h455vb4pex5vsknk084sn02q", StringComparison.Ordinal));
        await Ask("201", "POST", $"/v1/authors/{author}/books", body: """{"title":"U","genre":"novel","pages":1}""");
        await Ask("404", "POST", "/v1/authors/author_01h455vb4pex5vsknk084sn02q/books", body: """{"title":"U","genre":"novel","pages":1}""");
        await Ask("200", "GET", $"/v1/authors/{author}/books?pages.gte=1&genre.in=novel,science", role: "reader");
        await Ask("404", "GET", "/v1/authors/author_01h455vb4pex5vsknk084sn02q/books", role: "reader");
        await Ask("200", "GET", "/v1/books?include=author&published.null=false", role: "reader");
        await Ask("200", "GET", $"/v1/books/{book}?include=author", role: "reader");
        await Ask("200", "PUT", $"/v1/books/{book}", body: bookBody, headers: ("If-Match", "\"v1\""));
        await Ask("400", "PUT", $"/v1/books/{book}", body: bookBody.Replace("\"title\"", "\"lent\":true,\"title\"", StringComparison.Ordinal), headers: ("If-Match", "*"));
        await Ask("201", "POST", "/v1/books:batch", body: $"[{bookBody}]", headers: ("Idempotency-Key", "batch-1"));
        await Ask("428", "PATCH", "/v1/books:batch", body: $$"""[{"id":"{{book}}"}]""", headers: ("Content-Type", "application/json"));
        await Ask("428", "POST", "/v1/books:batchDelete", body: $$"""[{"id":"{{book}}"}]""");
        await Ask("428", "PATCH", $"/v1/books/{book}", body: "{}");
        await Ask("428", "DELETE", $"/v1/books/{book}");
        await Ask("409", "DELETE", $"/v1/authors/{author}");
        await Ask("200", "POST", $"/v1/books/{book}/lend", role: "reader", body: Body("lendBook"));
        await Ask("409", "POST", $"/v1/books/{book}/lend", role: "reader", body: Body("lendBook"));
        await Ask("404", "POST", "/v1/books/book_01h455vb4pex5vsknk084sn02q/lend", role: "reader", body: Body("lendBook"));
        await Ask("200", "POST", $"/v1/books/{book}/return", role: "reader");
        await Ask("204", "POST", $"/v1/books/{book}/return", role: "reader");
        await Ask("204", "DELETE", $"/v1/books/{book}", headers: ("If-Match", "*"));
        await Ask("200", "GET", "/v1/reports/pages?least=1", role: null);
        await Ask("400", "GET", "/v1/reports/pages?least=-1", role: null);
        var note = Id(await Ask("201", "POST", "/v1/notes", role: "reader", body: """{"ownerId":"reader-1","text":"mine"}"""));
        await Ask("403", "POST", "/v1/notes", role: "reader", body: """{"ownerId":"somebody","text":"not mine"}""");
        await Ask("200", "GET", "/v1/notes", role: "reader");
        await Ask("401", "GET", "/v1/notes", role: null);
        await Ask("404", "GET", $"/v1/notes/{note}");
        await Ask("200", "GET", $"/v1/notes/{note}?fields=text", role: "reader");
        await Ask("403", "PATCH", $"/v1/notes/{note}", role: "reader", body: """{"ownerId":"somebody"}""");
        await Ask("200", "PUT", $"/v1/notes/{note}", role: "reader", body: """{"ownerId":"reader-1","text":"still mine"}""");
        await Ask("201", "POST", "/v1/notes:batch", role: "reader", body: """[{"ownerId":"reader-1","text":"one more"}]""");
        await Ask("403", "PATCH", "/v1/notes:batch", role: "reader", body: $$"""[{"id":"{{note}}","ownerId":"somebody"}]""", headers: ("Content-Type", "application/json"));
        await Ask("404", "POST", "/v1/notes:batchDelete", body: $"""["{note}"]""");
        await Ask("404", "DELETE", $"/v1/notes/{note}");
        await Ask("204", "DELETE", $"/v1/notes/{note}", role: "reader");

        check.Findings.ShouldBeEmpty();
        Operations(document).Select(known => known.Operation["operationId"]!.GetValue<string>()).Except(seen).ShouldBeEmpty("Ask for every operation above.");
    }

    private static string Id(JsonNode? answer) => answer!["data"]!["id"]!.GetValue<string>();

    private async Task<JsonNode> DocumentAsync(string path) => JsonNode.Parse(await library.Client.GetStringAsync(path, TestContext.Current.CancellationToken))!;

    private static IEnumerable<(string Path, string Method, JsonNode Operation)> Operations(JsonNode document) =>
        from path in document["paths"]!.AsObject() from operation in path.Value!.AsObject() select (path.Key, operation.Key, operation.Value!);

    private static JsonNode OperationOf(JsonNode document, string method, string path) => Operations(document).Where(known => string.Equals(known.Method, method, StringComparison.OrdinalIgnoreCase))
        .Where(known => known.Path.Split('/') is var pattern && path.Split('/') is var segments && pattern.Length == segments.Length && pattern.Zip(segments).All(pair => pair.First.StartsWith('{') || pair.First == pair.Second))
        .OrderBy(known => known.Path.Count(letter => letter == '{')).First().Operation;

    private static IEnumerable<JsonNode> Descendants(JsonNode node) => node switch
    {
        JsonObject members => [node, .. members.Where(member => member.Value is not null).SelectMany(member => Descendants(member.Value!))],
        JsonArray items => [node, .. items.Where(item => item is not null).SelectMany(item => Descendants(item!))],
        _ => [node],
    };

    private static string Around(string text, int at) => text[Math.Max(0, Math.Min(at, text.Length) - 200)..Math.Min(text.Length, at + 200)];

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Mainstay.slnx")))
            folder = folder.Parent!;
        return folder.FullName;
    }
}
