using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>
/// The guarantee of the shop's command as it is usually written: look the key up, insert, insert, insert, record the key, commit; each statement waits for the
/// one before. Its tables are its own and hold what the shop's hold. The statements are prepared.
/// </summary>
internal sealed class NaiveOrders(NpgsqlDataSource source, RawOrders orders)
{
    public const string Tables = """
        create schema if not exists naive;
        create table if not exists naive.receipts (scope text, key text, fingerprint bytea not null, status smallint not null, headers text[] not null, body bytea not null, expires_at timestamptz not null, primary key (key, scope));
        create index if not exists receipts_expires_at_idx on naive.receipts (expires_at);
        create table if not exists naive.audit (id uuid primary key, at timestamptz not null, operation text not null, actor text not null, request_id text not null, action text not null, resource text not null, row_id uuid not null, before jsonb, after jsonb);
        create index if not exists audit_row_id_idx on naive.audit (row_id, at);
        create table if not exists naive.outbox (id uuid, subscription text, event text not null, body jsonb not null, due_at timestamptz not null default now(), attempt integer not null default 0, operation text not null, actor text not null, request_id text not null, primary key (id, subscription));
        create index if not exists outbox_due_idx on naive.outbox (due_at, id);
        """;

    private static readonly string[] contentType = ["Content-Type", "application/json"];

    public async Task PlaceAsync(HttpContext http)
    {
        var key = http.Request.Headers["Idempotency-Key"].ToString();
        if (await orders.ReadAsync(http.Request) is not { } order)
        {
            http.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }
        var requestId = http.TraceIdentifier;
        var row = JsonSerializer.Serialize(order, JsonSerializerOptions.Web);
        await using (var connection = await source.OpenConnectionAsync())
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            if (await ExecuteAsync(connection, "select status from naive.receipts where scope = $1 and key = $2 and expires_at > now()", isScalar: true, order.CustomerId, key) is not null)
            {
                http.Response.StatusCode = StatusCodes.Status409Conflict;
                return;
            }
            await ExecuteAsync(connection, "insert into orders (id, customer_id, product_id, quantity, total, placed_at) values ($1, $2, $3, $4, $5, $6)", isScalar: false,
                order.Id.Value, order.CustomerId, order.ProductId.Value, order.Quantity, order.Total, order.PlacedAt);
            await ExecuteAsync(connection, "insert into naive.audit (id, at, operation, actor, request_id, action, resource, row_id, after) values ($1, now(), $2, $3, $4, 'insert', 'orders', $5, $6::jsonb)", isScalar: false,
                Guid.CreateVersion7(), "POST /v1/orders", order.CustomerId, requestId, order.Id.Value, row);
            await ExecuteAsync(connection, "insert into naive.outbox (id, subscription, event, body, operation, actor, request_id) values ($1, 'see order', 'order.placed', $2::jsonb, $3, $4, $5)", isScalar: false,
                Guid.CreateVersion7(), JsonSerializer.Serialize(new OrderPlaced(order.Id, order.ProductId, order.Quantity, order.Total), JsonSerializerOptions.Web), "POST /v1/orders", order.CustomerId, requestId);
            await ExecuteAsync(connection, "insert into naive.receipts (scope, key, fingerprint, status, headers, body, expires_at) values ($1, $2, $3, 201, $4, $5, now() + interval '24 hours')", isScalar: false,
                order.CustomerId, key, SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(order.ProductId)), contentType, JsonSerializer.SerializeToUtf8Bytes(order, JsonSerializerOptions.Web));
            await transaction.CommitAsync();
        }
        await RawOrders.SendAsync(http.Response, order);
    }

    private static async Task<object?> ExecuteAsync(NpgsqlConnection connection, string sql, bool isScalar, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        return isScalar ? await command.ExecuteScalarAsync() : await command.ExecuteNonQueryAsync();
    }
}
