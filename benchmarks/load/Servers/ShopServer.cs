using System.ComponentModel.DataAnnotations;

namespace Mainstay.Benchmarks;

/// <summary>The server under test: the products of samples/shop.cs as production runs them, readable and writable by everyone because the machine is alone.</summary>
internal static class ShopServer
{
    public static Task<int> RunAsync(bool isStrict, string[] settings)
    {
        var shop = Backend.Create("shop", settings);
        shop.IsStrict = isStrict;
        shop.Resource<Product>("/v1/products")
            .Unique(product => product.Sku)
            .Filterable(product => product.Category, product => product.Price)
            .Sortable(product => product.Name, product => product.Price)
            .AllowRead(Policy.Anyone)
            .AllowWrite(Policy.Anyone);
        return shop.RunAsync();
    }
}

internal sealed record Product(Id<Product> Id, [MaxLength(40)] string Sku, [MaxLength(200)] string Name, [MaxLength(40)] string Category, [Range(0, 100_000)] decimal Price, [Range(0, 1_000_000)] int Stock, int Sold);
