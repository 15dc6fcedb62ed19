using Mainstay;
using Shop.Catalogue;
using Shop.Fulfilment;
using Shop.Ordering;

namespace Shop;

/// <summary>The modules, and who is given what of whom. Everything else that they know of each other are events.</summary>
public static class Application
{
    public static Backend Declare(params string[] args)
    {
        var shop = Backend.Create("shop", args).AllowOperators(Roles.Staff);
        var stock = CatalogueModule.Declare(shop);
        OrderingModule.Declare(shop, stock);
        FulfilmentModule.Declare(shop);
        return shop;
    }
}
