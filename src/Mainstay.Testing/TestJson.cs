using System.Collections;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mainstay.Internal;

/// <summary>What a test gives as a body.</summary>
internal static class TestJson
{
    /// <summary>As the application writes its own records; whatever has no shape of that kind, such as a dictionary, as ordinary JSON.</summary>
    public static string Of(object body) => body is IDictionary or JsonElement or JsonNode ? JsonSerializer.Serialize(body, JsonSerializerOptions.Web) : StoredJson.Write(body);
}
