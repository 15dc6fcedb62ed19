using System.ComponentModel.DataAnnotations;
using System.Text.Json.Nodes;
using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>The fuzzer can fail: each document here tells one lie about a sound application, and each is found.</summary>
public sealed class FuzzerTests(PostgresFixture postgres, ContractFolder contract) : IAsyncLifetime
{
    private static readonly Dictionary<string, (Action<JsonNode> Tell, string Found)> lies = new()
    {
        ["a status is not documented"] = (document => Answers(document, "get", "/v1/gadgets/{id}").Remove("404"), "status 404 is not documented for getGadget"),
        ["a member has another type"] = (document => Schema(document, "Gadget", "name")["type"] = "integer", "breaks its schema"),
        ["a member is promised that is not there"] = (document => document["components"]!["schemas"]!["Gadget"]!["required"]!.AsArray().Add("colour"), "must have required property 'colour'"),
        ["a text is shorter than it may be"] = (document => Schema(document, "GadgetCreate", "name")["maxLength"] = 5, "one character too many at #/name was accepted with 201"),
        ["a number has narrower bounds"] = (document => Schema(document, "GadgetReplace", "size")["maximum"] = 9, "too large at #/size was accepted with 20"),
        ["a member is required"] = (document => document["components"]!["schemas"]!["GadgetCreate"]!["required"]!.AsArray().Add("size"), "a required member is missing at #/size was accepted"),
        ["a text may be longer"] = (document => Schema(document, "GadgetCreate", "name")["minLength"] = 50, "a valid request was refused with 400"),
        ["a member is unknown to the application"] = (document => Unknown(document), "a valid request was refused with 400"),
        ["a header is promised that is not there"] = (document => document["components"]!["headers"]!["IdempotencyReplayed"]!["required"] = true, "the header idempotency-replayed is missing"),
        ["a header is not documented"] = (document => Answers(document, "post", "/v1/gadgets")["201"]!["headers"]!.AsObject().Remove("Location"), "the header location of 201 is not documented"),
        ["a header has another form"] = (document => document["components"]!["headers"]!["ETag"]!["schema"]!["pattern"] = "^W/", "the header etag"),
        ["a problem has another media type"] = (document => Rename(Answers(document, "get", "/v1/gadgets")), "has the media type 'application/problem+json'"),
        ["a method is not there"] = (document => document["paths"]!["/v1/gadgets"]!["patch"] = document["paths"]!["/v1/gadgets/{id}"]!["patch"]!.DeepClone(), "OPTIONS /v1/gadgets"),
    };

    private TestBackend? _backend;

    public static TheoryData<string> Lies => [.. lies.Keys];

    public async ValueTask InitializeAsync() => _backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), backend =>
        backend.Resource<Gadget>("/v1/gadgets").AllowRead(Policy.Anyone).AllowWrite(Policy.Role("maker")));

    public async ValueTask DisposeAsync()
    {
        if (_backend is not null)
            await _backend.DisposeAsync();
    }

    [Fact]
    public async Task A_true_document_passes()
    {
        var result = await FuzzAsync(_ => { });

        result.Succeeded.ShouldBeTrue(result.Output + result.Errors);
        result.Output.ShouldNotContain("never successful");
    }

    [Theory, MemberData(nameof(Lies))]
    public async Task A_lie_is_found(string lie)
    {
        var result = await FuzzAsync(lies[lie].Tell);

        result.ExitCode.ShouldBe(1, result.Output + result.Errors);
        result.Output.ShouldContain(lies[lie].Found);
        result.Output.ShouldContain("curl -i");
        result.Output.ShouldContain("seed 1");
    }

    [Fact]
    public async Task A_fault_of_the_server_is_found_although_it_is_documented()
    {
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), backend =>
            backend.Command("POST /v1/breakage", Break).Allow(Policy.Anyone));

        var result = await contract.RunAsync("fuzz.mjs", $"{backend.Running.Address}/openapi.json", "--seed", "1");

        result.ExitCode.ShouldBe(1, result.Output + result.Errors);
        result.Output.ShouldContain("answered 500");
    }

    [Fact]
    public async Task The_same_seed_asks_the_same()
    {
        var first = await FuzzAsync(_ => { }, "--only", "listGadgets");
        var second = await FuzzAsync(_ => { }, "--only", "listGadgets");

        second.Output.ShouldBe(first.Output);
    }

    private async Task<CommandResult> FuzzAsync(Action<JsonNode> tell, params string[] arguments)
    {
        using var folder = new TemporaryFolder();
        var document = JsonNode.Parse(await _backend!.Http.GetStringAsync("/openapi.json", TestContext.Current.CancellationToken))!;
        tell(document);
        var file = folder.In("document.json");
        await File.WriteAllTextAsync(file, document.ToJsonString(), TestContext.Current.CancellationToken);
        return await contract.RunAsync("fuzz.mjs", [file, "--server", _backend.Running.Address, "--as", "maker=Bearer " + _backend.Running.DevelopmentKeys!.Keys.Single().Key, "--seed", "1", "--rounds", "12", .. arguments]);
    }

    private static JsonObject Answers(JsonNode document, string method, string path) => document["paths"]![path]![method]!["responses"]!.AsObject();

    private static JsonObject Schema(JsonNode document, string schema, string member) => document["components"]!["schemas"]![schema]!["properties"]![member]!.AsObject();

    private static string Break(Gadget.Breakage input, UnitOfWork work) => throw new InvalidTimeZoneException($"{input.Much} is broken.");

    private static void Unknown(JsonNode document)
    {
        document["components"]!["schemas"]!["GadgetCreate"]!["properties"]!["colour"] = new JsonObject { ["type"] = "string", ["maxLength"] = 10 };
        document["components"]!["schemas"]!["GadgetCreate"]!["required"]!.AsArray().Add("colour");
    }

    private static void Rename(JsonObject answers)
    {
        var refusal = answers["400"]!.AsObject();
        var content = refusal["content"]!.AsObject();
        refusal["content"] = new JsonObject { ["application/json"] = content["application/problem+json"]!.DeepClone() };
    }

    internal sealed record Gadget(Id<Gadget> Id, [MaxLength(20)] string Name, [Range(1, 10)] int Size = 1)
    {
        internal sealed record Breakage([Range(1, 10)] int Much);
    }
}
