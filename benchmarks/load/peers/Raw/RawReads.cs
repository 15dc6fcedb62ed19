using System.Buffers;
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
            answer.Writer.WritePropertyName(Names.Data);
            WriteProduct(answer.Writer, reader);
        }
        answer.Writer.WriteStartObject(Names.Meta);
        answer.Writer.WriteEndObject();
        answer.Writer.WriteEndObject();
        await answer.SendAsync(http.Response);
    }

    public async Task ListAsync(HttpContext http)
    {
        var after = http.Request.Query.TryGetValue("cursor", out var cursors) ? new Guid(Base64Url.DecodeFromChars(cursors.ToString()), bigEndian: true) : (Guid?)null;
        var answer = RawAnswer.Rent();
        var writer = answer.Writer;
        writer.WriteStartObject();
        writer.WriteStartArray(Names.Data);
        string? next = null;
        await using (var connection = await source.OpenConnectionAsync())
        await using (var command = new NpgsqlCommand(after is null ? FirstPage : NextPage, connection))
        {
            if (after is { } position)
                command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = position });
            await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleResult);
            var last = Guid.Empty;
            for (var count = 0; await reader.ReadAsync(); count++)
            {
                if (count == PageSize)
                {
                    next = Cursor(last);
                    break;
                }
                last = WriteProduct(writer, reader);
            }
        }
        writer.WriteEndArray();
        writer.WriteStartObject(Names.Meta);
        writer.WriteNumber(Names.PageSize, PageSize);
        writer.WriteString(Names.NextCursor, next);
        writer.WriteEndObject();
        writer.WriteEndObject();
        await answer.SendAsync(http.Response);
    }

    private static Guid WriteProduct(Utf8JsonWriter writer, NpgsqlDataReader reader)
    {
        var id = reader.GetFieldValue<Guid>(0);
        Span<byte> text = stackalloc byte[64];
        Id<Product>.From(id).TryFormat(text, out var length);
        writer.WriteStartObject();
        writer.WriteString(Names.Id, text[..length]);
        writer.WriteString(Names.Sku, reader.GetString(1));
        writer.WriteString(Names.Name, reader.GetString(2));
        writer.WriteString(Names.Category, reader.GetString(3));
        writer.WriteNumber(Names.Price, reader.GetFieldValue<decimal>(4));
        writer.WriteNumber(Names.Stock, reader.GetFieldValue<int>(5));
        writer.WriteNumber(Names.Sold, reader.GetFieldValue<int>(6));
        writer.WriteEndObject();
        return id;
    }

    private static string Cursor(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return Base64Url.EncodeToString(bytes);
    }

    private static class Names
    {
        public static readonly JsonEncodedText Data = JsonEncodedText.Encode("data");
        public static readonly JsonEncodedText Meta = JsonEncodedText.Encode("meta");
        public static readonly JsonEncodedText PageSize = JsonEncodedText.Encode("pageSize");
        public static readonly JsonEncodedText NextCursor = JsonEncodedText.Encode("nextCursor");
        public static readonly JsonEncodedText Id = JsonEncodedText.Encode("id");
        public static readonly JsonEncodedText Sku = JsonEncodedText.Encode("sku");
        public static readonly JsonEncodedText Name = JsonEncodedText.Encode("name");
        public static readonly JsonEncodedText Category = JsonEncodedText.Encode("category");
        public static readonly JsonEncodedText Price = JsonEncodedText.Encode("price");
        public static readonly JsonEncodedText Stock = JsonEncodedText.Encode("stock");
        public static readonly JsonEncodedText Sold = JsonEncodedText.Encode("sold");
    }
}
