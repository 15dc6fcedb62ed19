using System.Text.Json.Nodes;
using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>
/// The contract of the shop is checked in. Whoever changes the API, or how documents are written, sees here what that means for clients, and writes
/// the contract with the command that the failure names.
/// </summary>
public sealed class ShopContractTests
{
    private const string Refresh = "dotnet run samples/shop.cs -- contract write";

    private static readonly string contracts = Path.Combine(ContractFolder.Path, "..", "..", "samples", "contracts");

    [Fact]
    public async Task The_contract_of_the_shop_is_kept()
    {
        var result = await CheckAsync(contracts);

        if (!result.Succeeded)
            Assert.Fail($"The declarations and samples/contracts/shop.v1.json differ in what breaks clients:\n\n{result.Output}{result.Errors}\nIf it is meant: {Refresh} --breaking \"why\"");
        if (!result.Output.Contains("up to date.", StringComparison.Ordinal))
            Assert.Fail($"samples/contracts/shop.v1.json is out of date:\n\n{result.Output}\nRead it as a client would, then: {Refresh}");
    }

    [Fact]
    public async Task A_promise_that_the_shop_does_not_keep_fails_the_check()
    {
        using var folder = new TemporaryFolder();
        var contract = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(contracts, "shop.v1.json"), TestContext.Current.CancellationToken))!;
        var order = contract["components"]!["schemas"]!["Order"]!;
        order["properties"]!["discount"] = new JsonObject { ["type"] = "number" };
        order["required"]!.AsArray().Add("discount");
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "shop.v1.json"), contract.ToJsonString(), TestContext.Current.CancellationToken);

        var result = await CheckAsync(folder.Path);

        result.ExitCode.ShouldBe(1, result.Errors);
        result.Output.ShouldContain("1 breaking, 0 compatible changes");
        result.Output.ShouldContain("discount' is no longer answered.");
        result.Output.ShouldContain("clients that read data.discount");
        result.Output.ShouldContain("clients that read data[].discount");
    }

    [Fact]
    public async Task The_picture_of_the_shop_is_checked_in_and_true()
    {
        var described = await Command.RunAsync(Command.Of(Path.Combine(AppContext.BaseDirectory, "Mainstay.Contract.Shop"), "describe"), TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);

        described.ExitCode.ShouldBe(0, described.Errors);
        described.Output.ReplaceLineEndings("\n").Trim().ShouldBe((await File.ReadAllTextAsync(Path.Combine(contracts, "..", "shop.md"), TestContext.Current.CancellationToken)).ReplaceLineEndings("\n").Trim(),
            "samples/shop.md is what 'dotnet run samples/shop.cs -- describe' prints. Write it anew and check it in.");
    }

    /// <summary>The program itself, as a pipeline runs it: there is no database, and the address could not be listened on.</summary>
    private static Task<CommandResult> CheckAsync(string folder) => Command.RunAsync(
        Command.Of(Path.Combine(AppContext.BaseDirectory, "Mainstay.Contract.Shop"), "contract", "check", "--folder", folder, "--urls", "http://192.0.2.1:1", "--ConnectionStrings:mainstay=Host=192.0.2.1"),
        TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
}
