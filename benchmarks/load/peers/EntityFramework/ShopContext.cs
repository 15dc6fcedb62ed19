using Microsoft.EntityFrameworkCore;

namespace Mainstay.Benchmarks;

internal sealed class ShopContext(DbContextOptions<ShopContext> options) : DbContext(options)
{
    public DbSet<ProductEntity> Products => Set<ProductEntity>();

    public DbSet<OrderEntity> Orders => Set<OrderEntity>();

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<ProductEntity>().ToTable("products").HasMany(product => product.Orders).WithOne().HasForeignKey(order => order.ProductId);
        model.Entity<OrderEntity>().ToTable("orders");
        foreach (var entity in model.Model.GetEntityTypes())
            foreach (var property in entity.GetProperties())
                property.SetColumnName(SnakeCase(property.Name));
    }

    private static string SnakeCase(string name) => string.Concat(name.Select((character, at) => at > 0 && char.IsUpper(character) ? $"_{char.ToLowerInvariant(character)}" : $"{char.ToLowerInvariant(character)}"));
}

internal sealed class ProductEntity
{
    public Guid Id { get; set; }

    public string Sku { get; set; } = "";

    public string Name { get; set; } = "";

    public string Category { get; set; } = "";

    public decimal Price { get; set; }

    public int Stock { get; set; }

    public int Sold { get; set; }

    public List<OrderEntity> Orders { get; } = [];
}

internal sealed class OrderEntity
{
    public Guid Id { get; set; }

    public string CustomerId { get; set; } = "";

    public Guid ProductId { get; set; }

    public int Quantity { get; set; }

    public decimal Total { get; set; }

    public DateTime PlacedAt { get; set; }
}
