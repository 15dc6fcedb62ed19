using Microsoft.EntityFrameworkCore;

namespace Mainstay.Tests;

internal sealed class ShopContext(DbContextOptions<ShopContext> options) : DbContext(options)
{
    public const string Tables = """create table orders (id bigint generated always as identity primary key, product text not null unique, quantity integer not null)""";

    public DbSet<ShopOrder> Orders => Set<ShopOrder>();

    protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.Entity<ShopOrder>(order =>
    {
        order.ToTable("orders");
        order.Property(row => row.Id).HasColumnName("id");
        order.Property(row => row.Product).HasColumnName("product");
        order.Property(row => row.Quantity).HasColumnName("quantity");
    });
}

internal sealed class ShopOrder
{
    public long Id { get; set; }

    public required string Product { get; set; }

    public int Quantity { get; set; }
}

internal sealed record OrderByName(string Product, int Quantity);
