using System.ComponentModel.DataAnnotations;

namespace Mainstay.Benchmarks;

/// <summary>A row as applications have them.</summary>
public sealed record Product(Id<Product> Id, [property: MaxLength(40)] string Sku, [property: MaxLength(200)] string Name, [property: MaxLength(40)] string Category, decimal Price, int Stock, string OwnerId);
