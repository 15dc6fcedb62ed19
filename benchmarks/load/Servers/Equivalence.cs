using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;

namespace Mainstay.Benchmarks;

/// <summary>Whether a peer answers what the shop answers. A server that does less is no peer.</summary>
internal static class Equivalence
{
    /// <exception cref="MeasurementException">An answer differs; the message says where.</exception>
    public static async Task CheckAsync(ServerProcess shop, ServerProcess peer)
    {
        foreach (var suffix in (string[])["", "&include=orders"])
        {
            var (expected, actual) = (await Products.WalkAsync(shop, suffix, 3), await Products.WalkAsync(peer, suffix, 3));
            for (var page = 0; page < expected.Count; page++)
                await CompareAsync(shop, expected[page], peer, actual[page]);
        }
        var rows = await shop.Http.GetFromJsonAsync<JsonElement>("/v1/products?pageSize=20");
        foreach (var row in rows.GetProperty("data").EnumerateArray())
            await CompareAsync(shop, $"/v1/products/{row.GetProperty("id").GetString()}", peer, $"/v1/products/{row.GetProperty("id").GetString()}");
    }

    private static async Task CompareAsync(ServerProcess shop, string expectedTarget, ServerProcess peer, string actualTarget)
    {
        var (expected, actual) = (await shop.Http.GetFromJsonAsync<JsonElement>(expectedTarget), await peer.Http.GetFromJsonAsync<JsonElement>(actualTarget));
        if (Difference(expected, actual, "") is { } difference)
            throw new MeasurementException($"{peer.Name} answers {actualTarget} in another way than {shop.Name}: {difference}.");
    }

    /// <summary>How they differ, or null. Cursors are opaque and need only be there or not; instants may be written with more or fewer digits.</summary>
    private static string? Difference(JsonElement expected, JsonElement actual, string place)
    {
        string Differs() => $"{place} is {actual.GetRawText()}, expected {expected.GetRawText()}";
        if (place == "/meta/nextCursor")
            return expected.ValueKind == actual.ValueKind ? null : Differs();
        switch (expected.ValueKind, actual.ValueKind)
        {
            case (JsonValueKind.Object, JsonValueKind.Object):
                var members = expected.EnumerateObject().Select(member => member.Name).Union(actual.EnumerateObject().Select(member => member.Name));
                return members.Select(name => expected.TryGetProperty(name, out var left) && actual.TryGetProperty(name, out var right) ? Difference(left, right, $"{place}/{name}") : $"only one of them has {place}/{name}").FirstOrDefault(difference => difference is not null);
            case (JsonValueKind.Array, JsonValueKind.Array) when expected.GetArrayLength() == actual.GetArrayLength():
                return expected.EnumerateArray().Zip(actual.EnumerateArray()).Select((pair, at) => Difference(pair.First, pair.Second, $"{place}/{at}")).FirstOrDefault(difference => difference is not null);
            case (JsonValueKind.String, JsonValueKind.String) when IsInstant(expected, out var left) && IsInstant(actual, out var right):
                return left == right ? null : Differs();
            default:
                return JsonElement.DeepEquals(expected, actual) ? null : Differs();
        }
    }

    private static bool IsInstant(JsonElement value, out DateTimeOffset instant) =>
        DateTimeOffset.TryParseExact(value.GetString(), ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", "yyyy-MM-dd'T'HH:mm:ss'Z'"], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out instant);
}
