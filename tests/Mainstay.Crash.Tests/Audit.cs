using Npgsql;

namespace Mainstay.Tests;

/// <summary>
/// Compares the tables with what the clients were told. Each check is a query that finds the rows that should not be; past the application, so that
/// nothing it believes can hide a mistake.
/// </summary>
internal sealed class Audit(string connectionString, OrderBook book, CancellationToken cancellation)
{
    private static readonly (string What, string Sql)[] checks =
    [
        ("an acknowledged order has no row", "select key from seen where status = 201 and not exists (select from orders where marker = key)"),
        ("an order was never acknowledged", "select marker from orders where not exists (select from seen where key = marker and status = 201)"),
        ("a key has two orders", "select marker from orders group by marker having count(*) > 1"),
        ("the row is not what was ordered", "select key from seen join orders on marker = key where orders.quantity <> seen.quantity or placed_at is null"),
        ("an acknowledged key has no receipt", "select key from seen where not exists (select from mainstay.receipts r where r.key = seen.key)"),
        ("a receipt was never acknowledged", "select key from mainstay.receipts r where not exists (select from seen where seen.key = r.key)"),
        ("the receipt is not what the client got", "select key from seen join mainstay.receipts r using (key) where r.status <> seen.status or r.body <> seen.body"),
        ("the receipt speaks of another order", """
            select key from seen join mainstay.receipts r using (key)
            where r.status = 201 and convert_from(r.body, 'UTF8')::jsonb -> 'data' ->> 'marker' <> key
            """),
        ("stock and orders do not add up", """
            select sku from products p where stock + (select coalesce(sum(quantity), 0) from orders where product_id = p.id) <> initial
            """),
        ("units sold are not units ordered", """
            select sku || ': ' || sold || ' counted, ' || (select coalesce(sum(quantity), 0) from orders where product_id = p.id) || ' ordered' from products p
            where sold <> (select coalesce(sum(quantity), 0) from orders where product_id = p.id)
            """),
        ("an order does not have exactly one audit entry", """
            select marker from orders o where (select count(*) from mainstay.audit where row_id = o.id) <> 1
                or not exists (select from mainstay.audit where row_id = o.id and action = 'insert' and resource = 'orders' and operation = 'POST /v1/orders')
            """),
        ("an audit entry speaks of an order that does not exist", "select row_id::text from mainstay.audit where resource = 'orders' and not exists (select from orders where id = row_id)"),
        ("a product does not have one audit entry for each order and one for each delivery", """
            select sku from products p join lateral (select count(*) as number from orders where product_id = p.id) ordered on true
            where ordered.number <> (select count(*) from mainstay.audit where row_id = p.id and action = 'update' and operation = 'POST /v1/orders')
                or ordered.number <> (select count(*) from mainstay.audit where row_id = p.id and action = 'update' and operation = 'on count units sold')
                or 1 <> (select count(*) from mainstay.audit where row_id = p.id and action = 'insert')
            """),
        ("the audited changes of a product do not add up to its row", """
            select sku from products p join lateral (
                select sum((after ->> 'stock')::int - (before ->> 'stock')::int) as stock, sum((after ->> 'sold')::int - (before ->> 'sold')::int) as sold
                from mainstay.audit where row_id = p.id and action = 'update') change on true
            where initial + coalesce(change.stock, 0) <> p.stock or coalesce(change.sold, 0) <> p.sold
            """),
        ("the queues are not empty", "select id || ' ' || coalesce(errors::text, '') from mainstay.jobs union all select id || ' dead ' || coalesce(errors::text, '') from mainstay.jobs_dead"),
    ];

    /// <summary>What is wrong, with a few examples each; empty when all is well.</summary>
    public async Task<List<string>> FindAsync()
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(cancellation);
        await ExecuteAsync(connection, "create temporary table seen (key text primary key, status int, body bytea, quantity int)");
        await CopyAsync(connection);
        await ExecuteAsync(connection, "analyze seen");

        List<string> findings = [];
        foreach (var (what, sql) in checks)
        {
            var examples = await ReadAsync(connection, sql);
            if (examples.Count > 0) findings.Add($"{what}: {examples.Count} times, for example {string.Join(", ", examples.Take(5))}");
        }
        return findings;
    }

    public static async Task<long> CountAsync(string connectionString, string sql, CancellationToken cancellation)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(cancellation), System.Globalization.CultureInfo.InvariantCulture);
    }

    private async Task CopyAsync(NpgsqlConnection connection)
    {
        await using var copy = await connection.BeginBinaryImportAsync("copy seen from stdin (format binary)", cancellation);
        foreach (var (key, (order, answer)) in book.Acknowledged)
        {
            await copy.StartRowAsync(cancellation);
            await copy.WriteAsync(key, cancellation);
            await copy.WriteAsync(answer.Status, cancellation);
            await copy.WriteAsync(answer.Body, cancellation);
            await copy.WriteAsync(order.Quantity, cancellation);
        }
        await copy.CompleteAsync(cancellation);
    }

    private async Task<List<string>> ReadAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<string> rows = [];
        while (await reader.ReadAsync(cancellation)) rows.Add(reader.GetString(0));
        return rows;
    }

    private async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
