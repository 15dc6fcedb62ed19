using System.Text.RegularExpressions;
using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>A TypeScript client whose types are generated from the checked-in contract of the shop. It compiles strictly and without a cast, and it works.</summary>
public sealed partial class ClientTests(ContractApplications applications, ContractFolder contract) : IClassFixture<ContractApplications>
{
    [Fact]
    public async Task A_client_with_generated_types_lists_orders_changes_and_is_refused()
    {
        var source = await File.ReadAllTextAsync(Path.Combine(ContractFolder.Path, "client", "client.mts"), TestContext.Current.CancellationToken);
        Casts().Matches(source).Select(match => match.Value).ShouldBeEmpty("A cast hides what the contract fails to say.");

        await RunAsync("openapi-typescript", "../../samples/contracts/shop.v1.json", "--output", "client/generated/shop.ts");
        await RunAsync("tsc", "--project", "client");
        var result = await RunAsync("client/generated/client.mjs", applications.Shop.Address, Key("customer"), Key("staff"));

        result.Output.ShouldContain("cancelled once", Case.Sensitive, result.Output);
    }

    private string Key(string role) => applications.Shop.Credentials.Single(known => known.Key == role).Value["Bearer ".Length..];

    private async Task<CommandResult> RunAsync(string program, params string[] arguments)
    {
        var result = await contract.RunAsync(program, arguments);
        if (!result.Succeeded)
            Assert.Fail($"{program} failed:\n{result.Output}{result.Errors}");
        return result;
    }

    /// <summary>In code, not in comments.</summary>
    [GeneratedRegex(@"^(?!\s*//).*(\bas (?!const\b)|\bany\b|@ts-ignore)", RegexOptions.Multiline)]
    private static partial Regex Casts();
}
