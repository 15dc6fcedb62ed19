using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>Orders of the hand-written peer: placed by one bare insert, without a key, an audit entry or a message.</summary>
internal sealed class RawOrders(NpgsqlDataSource source, TimeProvider clock)
{
    private const string Insert = "insert into orders (id, customer_id, product_id, quantity, total, placed_at) values ($1, $2, $3, $4, $5, $6)";

    public async Task PlaceAsync(HttpContext http)
    {
        if (await ReadAsync(http.Request) is not { } order)
        {
            http.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }
        await using (var connection = await source.OpenConnectionAsync())
        await using (var command = new NpgsqlCommand(Insert, connection) { Parameters = { new NpgsqlParameter<Guid> { TypedValue = order.Id.Value }, new NpgsqlParameter<string> { TypedValue = order.CustomerId }, new NpgsqlParameter<Guid> { TypedValue = order.ProductId.Value }, new NpgsqlParameter<int> { TypedValue = order.Quantity }, new NpgsqlParameter<decimal> { TypedValue = order.Total }, new NpgsqlParameter<DateTimeOffset> { TypedValue = order.PlacedAt } } })
            await command.ExecuteNonQueryAsync();
        await SendAsync(http.Response, order);
    }

    /// <summary>The order that the body asks for, or null when it is none.</summary>
    public async ValueTask<Order?> ReadAsync(HttpRequest request)
    {
        var place = await JsonSerializer.DeserializeAsync<PlaceOrder>(request.Body, JsonSerializerOptions.Web);
        return place is { Quantity: >= 1 and <= 100, Total: >= 0 and <= 1_000_000 }
            ? new Order(Id<Order>.New(), "benchmark", place.ProductId, place.Quantity, place.Total, clock.GetUtcNow())
            : null;
    }

    public static ValueTask SendAsync(HttpResponse response, Order order)
    {
        var answer = RawAnswer.Rent();
        var writer = answer.Writer;
        writer.WriteStartObject();
        writer.WritePropertyName(RawNames.Data);
        Write(writer, order.Id.Value, order.CustomerId, order.ProductId.Value, order.Quantity, order.Total, order.PlacedAt.UtcDateTime);
        writer.WriteStartObject(RawNames.Meta);
        writer.WriteEndObject();
        writer.WriteEndObject();
        response.StatusCode = StatusCodes.Status201Created;
        return answer.SendAsync(response);
    }

    public static void Write(Utf8JsonWriter writer, NpgsqlDataReader reader, int at) =>
        Write(writer, reader.GetFieldValue<Guid>(at), reader.GetString(at + 1), reader.GetFieldValue<Guid>(at + 2), reader.GetFieldValue<int>(at + 3), reader.GetFieldValue<decimal>(at + 4), reader.GetFieldValue<DateTime>(at + 5));

    private static void Write(Utf8JsonWriter writer, Guid id, string customer, Guid product, int quantity, decimal total, DateTime placedAt)
    {
        Span<byte> text = stackalloc byte[64];
        writer.WriteStartObject();
        Id<Order>.From(id).TryFormat(text, out var length);
        writer.WriteString(RawNames.Id, text[..length]);
        writer.WriteString(RawNames.CustomerId, customer);
        Id<Product>.From(product).TryFormat(text, out length);
        writer.WriteString(RawNames.ProductId, text[..length]);
        writer.WriteNumber(RawNames.Quantity, quantity);
        writer.WriteNumber(RawNames.Total, total);
        writer.WriteString(RawNames.PlacedAt, placedAt);
        writer.WriteEndObject();
    }
}
