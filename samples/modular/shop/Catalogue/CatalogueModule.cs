using System.ComponentModel.DataAnnotations;
using Mainstay;

namespace Shop.Catalogue;

public sealed record Product(Id<Product> Id, [property: MaxLength(40)] string Sku, [property: MaxLength(200)] string Name, [property: Range(0, 100_000)] decimal Price, [property: Range(0, 1_000_000)] int Stock);

/// <summary>What there is to buy, and how much of it.</summary>
public static class CatalogueModule
{
    public static Stock Declare(Backend shop)
    {
        shop.Schema("catalogue").Resource<Product>("/v1/products")
            .Unique(product => product.Sku)
            .Filterable(product => product.Price)
            .Sortable(product => product.Name, product => product.Price)
            .AllowRead(Policy.Anyone)
            .AllowCreate(Roles.Staff)
            .AllowUpdate(Roles.Staff);

        shop.Seed("products", Seed);
        return new Stock(shop);
    }

    private static Task Seed(UnitOfWork work)
    {
        foreach (var (sku, name, price) in new[] { ("TEA", "Assam", 4.50m), ("COFFEE", "Yirgacheffe", 9.20m), ("COCOA", "Huila", 6.80m) })
            work.Insert(new Product(Id<Product>.New(), sku, name, price, 100));
        return Task.CompletedTask;
    }
}
