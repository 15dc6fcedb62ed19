using System.Buffers.Text;
using System.Data;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>Reads of the hand-written peer: each field goes from the reader to the JSON writer by its type.</summary>
internal sealed class RawReads(NpgsqlDataSource source)
{
    private const string Columns = "id, sku, name, category, price, stock, sold";
    private const string ById = $"select {Columns} from products where id = $1";

    // One row more tells whether there is another page. As a parameter, the limit would be unknown to a plan that is made once for all values.
    private const string FirstPage = $"select {Columns} from products order by id limit 21";
    private const string NextPage = $"select {Columns} from products where id > $1 order by id limit 21";
    private const string NestedFirstPage = $"select {NestedColumns} from ({FirstPage}) p {NewestOrders}";
    private const string NestedNextPage = $"select {NestedColumns} from ({NextPage}) p {NewestOrders}";
    private const string NestedColumns = "p.id, p.sku, p.name, p.category, p.price, p.stock, p.sold, o.id, o.customer_id, o.product_id, o.quantity, o.total, o.placed_at";

    // Parents repeated beside their children: that costs less than a second statement, and much less than JSON made by the database.
    private const string NewestOrders = "left join lateral (select * from orders where product_id = p.id order by id desc limit 3) o on true order by p.id, o.id desc";
    private const int PageSize = 20;

    public async Task GetAsync(HttpContext http)
    {
        if (!Id<Product>.TryParse((string)http.Request.RouteValues["id"]!, out var id))
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }
        var answer = RawAnswer.Rent();
        await using (var connection = await source.OpenConnectionAsync())
        await using (var command = new NpgsqlCommand(ById, connection) { Parameters = { new NpgsqlParameter<Guid> { TypedValue = id.Value } } })
        await using (var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleRow))
        {
            if (!await reader.ReadAsync())
            {
                http.Response.StatusCode = StatusCodes.Status404NotFound;
                return;
            }
            answer.Writer.WriteStartObject();
            answer.Writer.WritePropertyName(RawNames.Data);
            WriteProduct(answer.Writer, reader);
            answer.Writer.WriteEndObject();
        }
        answer.Writer.WriteStartObject(RawNames.Meta);
        answer.Writer.WriteEndObject();
        answer.Writer.WriteEndObject();
        await answer.SendAsync(http.Response);
    }

    public Task ListAsync(HttpContext http) => http.Request.Query.ContainsKey("include") ? ListNestedAsync(http) : ListFlatAsync(http);

    private async Task ListFlatAsync(HttpContext http)
    {
        var answer = BeginPage();
        string? next = null;
        await using (var connection = await source.OpenConnectionAsync())
        await using (var command = Page(connection, http, FirstPage, NextPage))
        await using (var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleResult))
        {
            var last = Guid.Empty;
            for (var count = 0; await reader.ReadAsync(); count++)
            {
                if (count == PageSize)
                {
                    next = Cursor(last);
                    break;
                }
                last = WriteProduct(answer.Writer, reader);
                answer.Writer.WriteEndObject();
            }
        }
        await EndPageAsync(answer, next, http);
    }

    private async Task ListNestedAsync(HttpContext http)
    {
        var answer = BeginPage();
        var writer = answer.Writer;
        string? next = null;
        await using (var connection = await source.OpenConnectionAsync())
        await using (var command = Page(connection, http, NestedFirstPage, NestedNextPage))
        await using (var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleResult))
        {
            var (last, count) = (Guid.Empty, 0);
            while (await reader.ReadAsync())
            {
                var id = reader.GetFieldValue<Guid>(0);
                if (id != last)
                {
                    if (count > 0)
                        EndNested(writer);
                    if (count == PageSize)
                    {
                        next = Cursor(last);
                        break;
                    }
                    last = WriteProduct(writer, reader);
                    writer.WriteStartArray(RawNames.Orders);
                    count++;
                }
                if (!reader.IsDBNull(7))
                    RawOrders.Write(writer, reader, 7);
            }
            if (next is null && count > 0)
                EndNested(writer);
        }
        await EndPageAsync(answer, next, http);
    }

    private static void EndNested(Utf8JsonWriter writer)
    {
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static NpgsqlCommand Page(NpgsqlConnection connection, HttpContext http, string first, string following)
    {
        if (!http.Request.Query.TryGetValue("cursor", out var cursor))
            return new NpgsqlCommand(first, connection);
        var after = new Guid(Base64Url.DecodeFromChars(cursor.ToString()), bigEndian: true);
        return new NpgsqlCommand(following, connection) { Parameters = { new NpgsqlParameter<Guid> { TypedValue = after } } };
    }

    private static RawAnswer BeginPage()
    {
        var answer = RawAnswer.Rent();
        answer.Writer.WriteStartObject();
        answer.Writer.WriteStartArray(RawNames.Data);
        return answer;
    }

    private static ValueTask EndPageAsync(RawAnswer answer, string? next, HttpContext http)
    {
        var writer = answer.Writer;
        writer.WriteEndArray();
        writer.WriteStartObject(RawNames.Meta);
        writer.WriteNumber(RawNames.PageSize, PageSize);
        writer.WriteString(RawNames.NextCursor, next);
        writer.WriteEndObject();
        writer.WriteEndObject();
        return answer.SendAsync(http.Response);
    }

    /// <summary>Leaves the object open.</summary>
    private static Guid WriteProduct(Utf8JsonWriter writer, NpgsqlDataReader reader)
    {
        var id = reader.GetFieldValue<Guid>(0);
        Span<byte> text = stackalloc byte[64];
        Id<Product>.From(id).TryFormat(text, out var length);
        writer.WriteStartObject();
        writer.WriteString(RawNames.Id, text[..length]);
        writer.WriteString(RawNames.Sku, reader.GetString(1));
        writer.WriteString(RawNames.Name, reader.GetString(2));
        writer.WriteString(RawNames.Category, reader.GetString(3));
        writer.WriteNumber(RawNames.Price, reader.GetFieldValue<decimal>(4));
        writer.WriteNumber(RawNames.Stock, reader.GetFieldValue<int>(5));
        writer.WriteNumber(RawNames.Sold, reader.GetFieldValue<int>(6));
        return id;
    }

    private static string Cursor(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return Base64Url.EncodeToString(bytes);
    }
}
