using Mainstay;

namespace Shop.Catalogue;

/// <summary>
/// What the catalogue does for other modules. It works in the transaction of the caller, so that an order and what it takes from the stock commit together, and no
/// other module touches a product.
/// </summary>
public sealed class Stock
{
    internal Stock(Backend shop) => OutOfStock = shop.Problem("out-of-stock", 409, "Not enough stock");

    public ProblemType OutOfStock { get; }

    /// <returns>The price of one.</returns>
    public async Task<decimal> TakeAsync(UnitOfWork work, Id<Product> id, int quantity)
    {
        var product = await work.LockAsync(id);
        if (product.Stock < quantity)
            throw OutOfStock.Because($"{product.Stock} of '{product.Name}' left, {quantity} ordered.");
        work.Update(product with { Stock = product.Stock - quantity });
        return product.Price;
    }

    public async Task PutBackAsync(UnitOfWork work, Id<Product> id, int quantity)
    {
        var product = await work.LockAsync(id);
        work.Update(product with { Stock = product.Stock + quantity });
    }
}
