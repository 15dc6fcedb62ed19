using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>The operation of a long-running command in the document, and how its addresses follow from it.</summary>
internal sealed class OpenApiLongRunning(OpenApiComponents components)
{
    public JsonObject Operation(JsonObject problem) => components.Ref("schemas", "Operation", () => new JsonObject
    {
        ["type"] = "object",
        ["description"] = "A long-running command: how it stands, and what came of it.",
        ["required"] = new JsonArray("id", "operation", "status", "createdAt", "startedAt", "endedAt", "cancelRequestedAt", "attempts", "result", "problem"),
        ["properties"] = new JsonObject
        {
            ["id"] = Id(),
            ["operation"] = new JsonObject { ["type"] = "string", ["pattern"] = "^[A-Z]+ /.*$", ["maxLength"] = ServerLimits.RequestLineBytesMost, ["description"] = "The command.", ["examples"] = new JsonArray("POST /v1/reports") },
            ["status"] = new JsonObject { ["type"] = "string", ["enum"] = new JsonArray("pending", "running", "succeeded", "failed", "cancelled") },
            ["createdAt"] = Time("When it was accepted.", isNullable: false),
            ["startedAt"] = Time("When the present or last run began.", isNullable: true),
            ["endedAt"] = Time("When it succeeded, failed or was cancelled.", isNullable: true),
            ["cancelRequestedAt"] = Time("When its cancellation was asked for.", isNullable: true),
            ["attempts"] = new JsonObject { ["type"] = "integer", ["format"] = "int32", ["minimum"] = 0, ["maximum"] = int.MaxValue, ["description"] = "How many runs have begun." },
            ["result"] = new JsonObject { ["description"] = "What the command documents as `data`; null unless it has succeeded." },
            ["problem"] = new JsonObject { ["description"] = "Why it has failed; null unless it has.", ["anyOf"] = new JsonArray(problem.DeepClone(), new JsonObject { ["type"] = "null" }) },
        },
    });

    public static JsonObject Id() => new() { ["type"] = "string", ["format"] = "typeid", ["pattern"] = "^op_[0-7][0-9a-hjkmnp-tv-z]{25}$", ["minLength"] = 29, ["maxLength"] = 29, ["examples"] = new JsonArray("op_01h455vb4pex5vsknk084sn02q") };

    /// <summary>From the accepted operation to what can be done with it.</summary>
    public JsonObject WithLinks(JsonObject answer)
    {
        answer["links"] = new JsonObject
        {
            ["status"] = Link("OperationStatus", "getOperation", "How it stands."),
            ["result"] = Link("OperationResult", "getOperationResult", "What it has come to."),
            ["cancel"] = Link("OperationCancellation", "cancelOperation", "Ends it."),
        };
        return answer;
    }

    private JsonObject Link(string component, string operationId, string description) => components.Ref("links", component, () => new JsonObject
    {
        ["operationId"] = operationId,
        ["parameters"] = new JsonObject { ["id"] = "$response.body#/data/id" },
        ["description"] = description,
    });

    private static JsonObject Time(string description, bool isNullable) => new()
    {
        ["type"] = isNullable ? new JsonArray("string", "null") : "string",
        ["format"] = "date-time",
        ["maxLength"] = 40,
        ["description"] = description,
    };
}
