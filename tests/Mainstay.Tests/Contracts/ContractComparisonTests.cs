using System.Text.Json.Nodes;
using Mainstay.Internal;
using static Mainstay.Tests.ContractDocuments;

namespace Mainstay.Tests;

/// <summary>Which changes of a document break whom. Every row is read in both directions: what one change does, and what taking it back would do.</summary>
public sealed class ContractComparisonTests
{
    private const string Order = "/components/schemas/Order/properties", Place = "/components/schemas/PlaceOrder", Sent = Place + "/properties", Create = "/paths/~1v1~1orders/post", List = "/paths/~1v1~1products/get";
    private const string Nothing = "nothing", Fine = "compatible";

    /// <summary>Name, change, whom it breaks (or that it breaks nobody, or cannot be noticed at all), and the same for the way back.</summary>
    private static readonly (string Name, Action<JsonObject> Change, string Forth, string Back)[] rows =
    [
        // Nothing that a client can notice.
        ("members in another order", document => Reverse(document.At(Order)), Nothing, Nothing),
        ("operations in another order", document => Reverse(document.At("/paths")), Nothing, Nothing),
        ("other words", Set(Create, """{ "summary": "Order", "description": "Places an order." }"""), Nothing, Nothing),
        ("other words of a parameter", Set("/components/parameters/PageSize", """{ "description": "Rows." }"""), Nothing, Nothing),
        ("other examples", Set(Create + "/requestBody/content/application~1json", """{ "examples": { "other": { "value": { "quantity": 9 } } } }"""), Nothing, Nothing),
        ("another title and server", document => { Set("/info", """{ "title": "Store" }""")(document); document["servers"] = new JsonArray(new JsonObject { ["url"] = "https://shop.example" }); }, Nothing, Nothing),
        ("enum values in another order", Set(Order + "/status", """{ "enum": ["shipped", "placed"] }"""), Nothing, Nothing),
        ("a reference instead of the schema in place", document => { Set("/components/schemas", """{ "Quantity": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 100 } }""")(document); Set(Sent, """{ "quantity": { "$ref": "#/components/schemas/Quantity" } }""")(document); },
            Nothing, "generated clients"),
        ("a schema taken apart into allOf", document => document.At("/components/schemas")["PlaceOrder"] = TakenApart(document.At(Place)), Nothing, Nothing),
        ("null spelled as anyOf", Set(Order + "/note", """{ "type": null, "maxLength": null, "anyOf": [{ "type": "string", "maxLength": 100 }, { "type": "null" }] }"""), Nothing, Nothing),
        ("a const instead of an enum of one", Set(Order + "/status", """{ "enum": null, "const": "placed" }"""), Fine, "clients that handle each value of data.status"),
        ("a remark of its own", Set(Create, """{ "x-team": "orders" }"""), Nothing, Nothing),

        // Operations.
        ("an operation is gone", document => document.At("/paths/~1v1~1orders").Remove("post"), "every client of POST /v1/orders", Fine),
        ("a path is gone", document => document.At("/paths").Remove("/v1/orders/{id}"), "every client of DELETE /v1/orders/{id}", Fine),
        ("an operation moved", document => Rename(document.At("/paths"), "/v1/orders", "/v1/purchases"), "every client of POST /v1/orders", "every client of POST /v1/purchases"),
        ("a method changed", document => Rename(document.At("/paths/~1v1~1orders"), "post", "put"), "every client of POST /v1/orders", "every client of PUT /v1/orders"),
        ("an operation id changed", Set(Create, """{ "operationId": "placeOrder" }"""), "generated clients", "generated clients"),
        ("an operation is deprecated", Set(Create, """{ "deprecated": true }"""), Fine, Fine),
        ("a tag changed", Set(Create, """{ "tags": ["sales"] }"""), Fine, Fine),
        ("a path parameter is called otherwise", document => { Rename(document.At("/paths"), "/v1/orders/{id}", "/v1/orders/{orderId}"); Set("/paths/~1v1~1orders~1{orderId}/delete/parameters/0", """{ "name": "orderId" }""")(document); }, "generated clients", "generated clients"),

        // Who may call.
        ("a credential is needed", Set(List, """{ "security": [{ "bearer": [] }] }"""), "clients that call without a credential", Fine),
        ("a credential is needed, said for all", Set(List, """{ "security": null }"""), "clients that call without a credential", Fine),
        ("another credential", Set(Create, """{ "security": [{ "apiKey": [] }] }"""), "clients that sign in by bearer", "clients that sign in by apiKey"),
        ("a scope more", Set(Create, """{ "security": [{ "bearer": ["orders"] }] }"""), "clients that sign in by bearer", Fine),
        ("a second credential", Set(Create, """{ "security": [{ "bearer": [] }, { "apiKey": [] }] }"""), Fine, "clients that sign in by apiKey"),
        ("another scheme under the same name", Set("/components/securitySchemes/bearer", """{ "scheme": "basic" }"""), "clients that sign in by bearer", "clients that sign in by bearer"),
        ("callers can be forbidden", Set(List + "/responses", """{ "403": { "description": "No.", "content": { "application/problem+json": { "schema": { "allOf": [{ "$ref": "#/components/schemas/Problem" }, { "properties": { "code": { "enum": ["forbidden"] } } }] } } } } }"""),
            "clients whose users were all admitted", Fine),

        // Parameters.
        ("a parameter is gone", document => document.At(List)["parameters"]!.AsArray().RemoveAt(0), "clients that send category", Fine),
        ("a header parameter is gone", document => document.At(List)["parameters"]!.AsArray().RemoveAt(4), "clients that send header If-None-Match", Fine),
        ("a header in other letters", Set(List + "/parameters/4", """{ "name": "if-none-match" }"""), Nothing, Nothing),
        ("a parameter became required", Set(List + "/parameters/0", """{ "required": true }"""), "clients that leave out category", Fine),
        ("a new required parameter", document => document.At(List)["parameters"]!.AsArray().Add(JsonNode.Parse("""{ "name": "shop", "in": "query", "required": true, "schema": { "type": "string" } }""")), "every client of GET /v1/products", "clients that send shop"),
        ("a parameter with fewer values", Set(List + "/parameters/0/schema", """{ "enum": ["tea"] }"""), "clients that send \"coffee\" as category", Fine),
        ("a parameter of another type", Set(List + "/parameters/1/schema", """{ "type": "string", "format": null, "minimum": null, "maximum": null }"""), "clients that send price.gte", "clients that send price.gte"),
        ("an integer is enough no more", Set(List + "/parameters/1/schema", """{ "type": "integer" }"""), "clients that send price.gte", Fine),
        ("a smaller page", Set("/components/parameters/PageSize/schema", """{ "maximum": 50 }"""), "clients that send pageSize outside of the new bound", Fine),
        ("another default", Set("/components/parameters/PageSize/schema", """{ "default": 50 }"""), "clients that leave out pageSize", "clients that leave out pageSize"),
        ("an exclusive bound", Set(List + "/parameters/1/schema", """{ "minimum": null, "exclusiveMinimum": 0 }"""), "clients that send price.gte outside of the new bound", Fine),
        ("fewer elements", Set(List + "/parameters/2/schema", """{ "maxItems": 10 }"""), "clients that send price.in outside of the new bound", Fine),
        ("narrower elements", Set(List + "/parameters/2/schema/items", """{ "minimum": 5 }"""), "clients that send price.in[] outside of the new bound", Fine),
        ("another way to write a list", Set(List + "/parameters/2", """{ "explode": true }"""), "clients that send price.in", "clients that send price.in"),
        ("another pattern", Set("/paths/~1v1~1orders~1{id}/delete/parameters/0/schema", """{ "pattern": "^ord_[a-z]+$" }"""), "clients that send id", "clients that send id"),
        ("a pattern less", Set(Create + "/parameters/0/schema", """{ "pattern": null }"""), Fine, "clients that send header Idempotency-Key"),

        // What is sent.
        ("a new optional member", Set(Sent, """{ "gift": { "type": "boolean", "default": false } }"""), Fine, "clients that send gift"),
        ("a new required member", document => { Set(Sent, """{ "currency": { "type": "string" } }""")(document); document.At(Place)["required"]!.AsArray().Add("currency"); }, "every client of POST /v1/orders", "clients that send currency"),
        ("a member is gone", document => document.At(Sent).Remove("note"), "clients that send note", Fine),
        ("a member became required", document => document.At(Place)["required"]!.AsArray().Add("note"), "clients that leave out note", Fine),
        ("a smaller maximum", Set(Sent + "/quantity", """{ "maximum": 10 }"""), "clients that send quantity outside of the new bound", Fine),
        ("a longer text", Set(Sent + "/note", """{ "maxLength": 500 }"""), Fine, "clients that send note outside of the new bound"),
        ("a bound where there was none", Set(Sent + "/productId", """{ "minLength": 3 }"""), "clients that send productId outside of the new bound", Fine),
        ("a value less", Set(Sent + "/channel", """{ "enum": ["web"] }"""), "clients that send \"shop\" as channel", Fine),
        ("values where there were all", Set(Sent + "/productId", """{ "enum": ["a"] }"""), "clients that send another productId", Fine),
        ("null is refused", Set(Sent + "/note", """{ "type": "string" }"""), "clients that send null as note", Fine),
        ("another default of a member", Set(Sent + "/channel", """{ "default": "shop" }"""), "clients that leave out channel", "clients that leave out channel"),
        ("a member of another type", Set(Sent + "/quantity", """{ "type": "string", "format": null, "minimum": null, "maximum": null }"""), "clients that send quantity", "clients that send quantity"),
        ("a larger integer", Set(Sent + "/quantity", """{ "format": "int64" }"""), Fine, "clients that send quantity"),
        ("a member that the server sets", Set(Sent + "/note", """{ "readOnly": true }"""), "clients that send note", Fine),
        ("other members are accepted", Set(Place, """{ "additionalProperties": null }"""), Fine, "clients that send a body"),
        ("a required member of an element", document => { Set(Sent + "/lines/items/properties", """{ "count": { "type": "integer" } }""")(document); document.At(Sent + "/lines/items")["required"]!.AsArray().Add("count"); }, "every client of POST /v1/orders", "clients that send lines[].count"),
        ("no body any more", document => document.At(Create).Remove("requestBody"), "clients that send a body", "every client of POST /v1/orders"),
        ("the body became optional", Set(Create + "/requestBody", """{ "required": false }"""), Fine, "clients that send no body"),
        ("another media type", document => Rename(document.At(Create + "/requestBody/content"), "application/json", "application/xml"), "clients that send application/json", "clients that send application/xml"),
        ("a keyword that nobody knows", Set(Sent + "/productId", """{ "not": { "const": "x" } }"""), "clients that send productId", Fine),
        ("a deprecated member", Set(Sent + "/note", """{ "deprecated": true }"""), Fine, Fine),
        ("a schema is called otherwise", document => { Rename(document.At("/components/schemas"), "PlaceOrder", "NewOrder"); Set(Create + "/requestBody/content/application~1json", """{ "schema": { "$ref": "#/components/schemas/NewOrder" } }""")(document); }, "generated clients", "generated clients"),

        // What is read.
        ("a new member is read", Set(Order, """{ "tax": { "type": "number" } }"""), Fine, "clients that read data.tax"),
        ("a member is no longer read", document => { document.At(Order).Remove("total"); Without(document.At("/components/schemas/Order"), "total"); }, "clients that read data.total", Fine),
        ("a read member became optional", document => Without(document.At("/components/schemas/Order"), "total"), "clients that read data.total", Fine),
        ("a read member may be null", Set(Order + "/total", """{ "type": ["number", "null"] }"""), "clients that read data.total", Fine),
        ("a read reference is never null", Set(Order + "/product", """{ "anyOf": [{ "$ref": "#/components/schemas/Product" }] }"""), Fine, "clients that read data.product"),
        ("a read member of another type", Set(Order + "/total", """{ "type": "string", "format": null, "minimum": null }"""), "clients that read data.total", "clients that read data.total"),
        ("a fraction is read", Set(Order + "/quantity", """{ "type": "number" }"""), "clients that read data.quantity", Fine),
        ("a value more is read", Set(Order + "/status", """{ "enum": ["placed", "shipped", "lost"] }"""), "clients that handle each value of data.status", Fine),
        ("a larger integer is read", Set(Order + "/quantity", """{ "format": "int64" }"""), "clients that read data.quantity", "clients that read data.quantity"),
        ("a longer text is read", Set(Order + "/note", """{ "maxLength": 500 }"""), Fine, Fine),
        ("another pattern is read", Set(Order + "/id", """{ "pattern": "^ord_[a-z]+$" }"""), "clients that parse or check data.id", "clients that parse or check data.id"),
        ("a member of a list's rows is gone", document => { document.At("/components/schemas/Product/properties").Remove("price"); Without(document.At("/components/schemas/Product"), "price"); document.At("/components/schemas/ProductPart/properties").Remove("price"); }, "clients that read data[].price | clients that read data[].similar[].price | clients that read data.product.", Fine),
        ("a value behind a recursion changed", Set("/components/schemas/Product/properties/similar", """{ "items": { "type": "string" } }"""), "clients that read data[].similar[] | clients that read data.product.similar[]", "clients that read data[].similar[] | clients that read data.product.similar[]"),

        // Statuses, headers, problems.
        ("a success is gone", document => Rename(document.At(Create + "/responses"), "201", "200"), "clients that wait for 201 | clients that read the answer of POST /v1/orders", "clients that wait for 200 | clients that read the answer of POST /v1/orders"),
        ("a success more", Set(Create + "/responses", """{ "202": { "description": "Later." } }"""), "clients that read the answer of POST /v1/orders", "clients that wait for 202"),
        ("not modified is gone", document => document.At(List + "/responses").Remove("304"), "clients that wait for 304", Fine),
        ("a refusal more", Set(Create + "/responses", """{ "503": { "description": "Later." } }"""), Fine, Fine),
        ("an answer of another media type", document => Rename(document.At(Create + "/responses/201/content"), "application/json", "application/xml"), "clients that read application/json", "clients that read application/xml"),
        ("a body where there was none", Set("/paths/~1v1~1orders~1{id}/delete/responses/204", """{ "content": { "application/json": { "schema": { "type": "object" } } } }"""), "clients that expect no body with 204", "clients that read application/json"),
        ("a header is gone", document => document.At(List + "/responses/200/headers").Remove("Link"), "clients that read header Link", Fine),
        ("a code of the application is gone", document => document.At(Create + "/responses/409/content/application~1problem+json/schema/allOf/1/properties/code")["enum"] = new JsonArray("concurrent-update"), "clients that branch on 'out-of-stock'", Fine),
        ("a code of the framework is gone", document => document.At(Create + "/responses/409/content/application~1problem+json/schema/allOf/1/properties/code")["enum"] = new JsonArray("out-of-stock"), Fine, Fine),
        ("a refusal of the framework is gone", document => document.At(Create + "/responses").Remove("404"), Fine, Fine),
        ("a code has another status", document => Rename(document.At(Create + "/responses"), "409", "422"), "clients that branch on 409 or on 'out-of-stock' | clients that branch on 409 or on 'concurrent-update'", "clients that branch on 422 or on 'out-of-stock' | clients that branch on 422 or on 'concurrent-update'"),
        ("a member of problems is gone", document => { document.At("/components/schemas/Problem/properties").Remove("title"); Without(document.At("/components/schemas/Problem"), "title"); }, "clients that read title", Fine),
    ];

    public static TheoryData<string> Names => [.. rows.Select(row => row.Name)];

    [Theory, MemberData(nameof(Names))]
    public void A_change_breaks_those_whom_it_breaks(string name)
    {
        var row = rows.Single(row => row.Name == name);
        var (before, after) = (Base(), Base());
        row.Change(after);

        Verdict(before, after, row.Forth);
        Verdict(after, before, row.Back);
    }

    private static void Verdict(JsonObject before, JsonObject after, string expected)
    {
        var changes = ContractComparison.Compare(before, after);
        var breaking = changes.Where(change => change.IsBreaking).ToArray();
        var shown = string.Join('\n', changes);

        if (expected == Nothing)
            changes.ShouldBeEmpty(shown);
        else if (expected == Fine)
        {
            changes.ShouldNotBeEmpty();
            breaking.ShouldBeEmpty(shown);
        }
        else
        {
            // Those and nobody else.
            var clients = expected.Split(" | ");
            foreach (var whom in clients)
                breaking.ShouldContain(change => change.Whom.StartsWith(whom, StringComparison.Ordinal), shown);
            breaking.ShouldAllBe(change => clients.Any(whom => change.Whom.StartsWith(whom, StringComparison.Ordinal)), shown);
        }
        foreach (var change in changes)
        {
            change.What.ShouldEndWith(".");
            change.Whom.ShouldNotBeEmpty();
            (change.Instead.Length > 0).ShouldBe(change.IsBreaking);
            Reached(change.Pointer.StartsWith('/') ? change.Pointer : "", before, after).ShouldBeTrue($"{change.Pointer} leads nowhere.");
        }
    }

    /// <summary>The pointer of a change leads to a place in one of the two documents.</summary>
    private static bool Reached(string pointer, params JsonObject[] documents) => documents.Any(document =>
        pointer.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(step => step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))
            .Aggregate((JsonNode?)document, (node, step) => node switch { JsonArray elements when int.Parse(step, null) < elements.Count => elements[int.Parse(step, null)], JsonObject members => members[step], _ => null }) is not null);

    private static void Reverse(JsonObject members)
    {
        var all = members.ToArray();
        members.Clear();
        foreach (var (name, value) in all.Reverse())
            members[name] = value;
    }

    private static void Rename(JsonObject members, string name, string newName)
    {
        var value = members[name];
        members.Remove(name);
        members[newName] = value;
    }

    /// <summary>Each member in a part of its own, and what is required in another one.</summary>
    private static JsonObject TakenApart(JsonObject schema) => new()
    {
        ["type"] = "object",
        ["additionalProperties"] = false,
        ["allOf"] = new JsonArray([.. schema["properties"]!.AsObject().Select(member => new JsonObject { ["properties"] = new JsonObject { [member.Key] = member.Value!.DeepClone() } }), new JsonObject { ["required"] = schema["required"]!.DeepClone() }]),
    };

    private static void Without(JsonObject schema, string name) => schema["required"] = new JsonArray([.. schema["required"]!.AsArray().Select(known => known!.GetValue<string>()).Where(known => known != name).Select(known => JsonValue.Create(known))]);
}
