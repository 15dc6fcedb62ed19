namespace Mainstay.Benchmarks;

/// <summary>A server that can be put under load. This program runs itself again as one of them: <c>serve NAME settings…</c></summary>
/// <param name="Name">On the command line and in the tables.</param>
/// <param name="RunAsync">Serves until it is told to stop.</param>
internal sealed record Contestant(string Name, Func<string[], Task<int>> RunAsync)
{
    /// <summary>As it is delivered.</summary>
    public static readonly Contestant Shop = new("shop", settings => ShopServer.RunAsync(isStrict: true, settings));

    /// <summary>With those checks off that can be switched off.</summary>
    public static readonly Contestant Lenient = new("lenient", settings => ShopServer.RunAsync(isStrict: false, settings));

    /// <summary>The limit: written by hand, and doing nothing but this.</summary>
    public static readonly Contestant Raw = new("raw", RawServer.RunAsync);

    private static readonly Contestant[] all = [Shop, Lenient, Raw];

    public static Contestant Named(string name) => Array.Find(all, contestant => contestant.Name == name)
        ?? throw new MeasurementException($"There is no server '{name}', expected one of {string.Join(", ", all.Select(contestant => contestant.Name))}.");

    /// <summary>The command line that makes this program serve it: production, on this address and this database.</summary>
    public IEnumerable<string> Arguments(Uri address, BenchmarkDatabase database) =>
        ["serve", Name, "--environment", "Production", "--urls", address.AbsoluteUri, "--Mainstay:Schema=apply", $"--ConnectionStrings:mainstay={database.ConnectionString}"];
}
