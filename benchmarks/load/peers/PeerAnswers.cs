namespace Mainstay.Benchmarks;

/// <summary>A row in the envelope of the contract.</summary>
internal sealed record PeerItem<T>(T Data)
{
    public object Meta { get; } = new();
}

/// <summary>A page in the envelope of the contract.</summary>
internal sealed record PeerPage<T>(List<T> Data, PeerPageMeta Meta);

internal sealed record PeerPageMeta(int PageSize, Guid? NextCursor);

internal static class PeerPage
{
    /// <summary>Cuts off the row more than asked for, which tells that there is a next page.</summary>
    public static PeerPage<T> Of<T>(List<T> rows, int pageSize) where T : IPeerRow
    {
        if (rows.Count <= pageSize)
            return new PeerPage<T>(rows, new PeerPageMeta(pageSize, null));
        rows.RemoveRange(pageSize, rows.Count - pageSize);
        return new PeerPage<T>(rows, new PeerPageMeta(pageSize, rows[^1].Id.Value));
    }
}

internal interface IPeerRow
{
    Id<Product> Id { get; }
}

internal sealed record PeerProduct(Id<Product> Id, string Sku, string Name, string Category, decimal Price, int Stock, int Sold) : IPeerRow
{
    public static PeerProduct Of(ProductEntity row) => new(Id<Product>.From(row.Id), row.Sku, row.Name, row.Category, row.Price, row.Stock, row.Sold);
}

internal sealed record PeerProductWithOrders(Id<Product> Id, string Sku, string Name, string Category, decimal Price, int Stock, int Sold, List<PeerOrder> Orders) : IPeerRow
{
    public PeerProductWithOrders(PeerProduct product, List<PeerOrder> orders) : this(product.Id, product.Sku, product.Name, product.Category, product.Price, product.Stock, product.Sold, orders)
    {
    }
}

internal sealed record PeerOrder(Id<Order> Id, string CustomerId, Id<Product> ProductId, int Quantity, decimal Total, DateTime PlacedAt)
{
    public static PeerOrder Of(OrderEntity row) => new(Id<Order>.From(row.Id), row.CustomerId, Id<Product>.From(row.ProductId), row.Quantity, row.Total, row.PlacedAt);
}
