using System.Text.Json;

namespace Mainstay.Benchmarks;

/// <summary>Names of members, as bytes that are ready to be sent.</summary>
internal static class RawNames
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
    public static readonly JsonEncodedText Orders = JsonEncodedText.Encode("orders");
    public static readonly JsonEncodedText CustomerId = JsonEncodedText.Encode("customerId");
    public static readonly JsonEncodedText ProductId = JsonEncodedText.Encode("productId");
    public static readonly JsonEncodedText Quantity = JsonEncodedText.Encode("quantity");
    public static readonly JsonEncodedText Total = JsonEncodedText.Encode("total");
    public static readonly JsonEncodedText PlacedAt = JsonEncodedText.Encode("placedAt");
}
