using System.Text;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>A policy about rows: what is left of it for a caller, and that as a part of a statement.</summary>
[MemoryDiagnoser]
public class PolicyBenchmarks
{
    private readonly Policy _policy = Policy.For<Product>((product, user) => product.OwnerId == user.Id && product.Stock > 0) | Policy.Role("staff");
    private readonly User _user = new("ann", ["customer"], []);
    private readonly Predicate _predicate;

    public PolicyBenchmarks() => _predicate = _policy.Resolve(_user, typeof(Product));

    [Benchmark]
    public object Resolve() => _policy.Resolve(_user, typeof(Product));

    [Benchmark]
    public int Write()
    {
        var (text, parameters) = (new StringBuilder(), new List<NpgsqlParameter>());
        PredicateSql.Write(_predicate, "t", member => $"\"{member}\"", text, parameters);
        return text.Length;
    }
}
