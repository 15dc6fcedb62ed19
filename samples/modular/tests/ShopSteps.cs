using Shop.Catalogue;
using Shop.Fulfilment;
using Shop.Ordering;

namespace Shop.Tests;

/// <summary>What people do in this shop, and where one looks what became of it: the words in which the tests are written.</summary>
internal static class ShopSteps
{
    public static Task<TestBackend> OpenAsync() => TestBackend.StartAsync(() => Application.Declare());

    public static Task<Product> StockUpAsync(this TestBackend shop, int pieces, decimal price) => shop.InsertAsync<Product>(product => product with { Stock = pieces, Price = price });

    public static async Task<Order> OrderAsync(this TestBackend shop, Product product, int quantity) =>
        (await shop.As("ann", "customer").PostAsync("/v1/orders", new PlaceOrder(product.Id, quantity, "Harbour Street 4"))).Expect(201).Read<Order>();

    public static async Task<TestReply> CollectAsync(this TestBackend shop, Order order) =>
        await shop.As("bob", "courier").PostAsync($"/v1/deliveries/{(await shop.DeliveryOfAsync(order)).Id}/collect");

    public static async Task<Delivery> DeliveryOfAsync(this TestBackend shop, Order order) =>
        (await shop.As("bob", "courier").GetAsync($"/v1/deliveries?orderId={order.Id}")).Expect(200).Read<IReadOnlyList<Delivery>>().Single();

    public static async Task<OrderStatus> StatusOfAsync(this TestBackend shop, Order order) => (await shop.ReadAsync(snapshot => snapshot.RequireAsync(order.Id))).Status;

    public static async Task<int> StockOfAsync(this TestBackend shop, Product product) => (await shop.ReadAsync(snapshot => snapshot.RequireAsync(product.Id))).Stock;

    /// <summary>Who was called for what, in order.</summary>
    public static string[] CallsTo(this TestBackend shop, string dependency) => [.. shop.Called(dependency).Select(call => call.Path)];

    public static int KeysTo(this TestBackend shop, string dependency) => shop.Called(dependency).Select(call => call.IdempotencyKey).Distinct().Count();
}
