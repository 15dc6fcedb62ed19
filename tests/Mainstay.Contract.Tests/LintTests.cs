namespace Mainstay.Tests;

/// <summary>Linters that are not ours read the documents that running applications serve. Their exceptions, with reasons, are in tests/contract.</summary>
public sealed class LintTests(ContractApplications applications, ContractFolder contract) : IClassFixture<ContractApplications>
{
    // Not the store: it has a member called token, which the rules take for a credential in the address.
    [Theory, InlineData("shop"), InlineData("library"), InlineData("workshop")]
    public async Task Spectral_and_its_security_rules_find_nothing(string application) =>
        await LintAsync("spectral", "lint", "--ruleset", "spectral.yaml", "--fail-severity", "hint", $"{applications[application].Address}/v1/openapi.json");

    [Theory, InlineData("shop"), InlineData("library"), InlineData("store"), InlineData("workshop")]
    public async Task Redocly_finds_nothing(string application) =>
        await LintAsync("redocly", "lint", "--config", "redocly.yaml", $"{applications[application].Address}/v1/openapi.json");

    private async Task LintAsync(string program, params string[] arguments)
    {
        var result = await contract.RunAsync(program, arguments);
        if (!result.Succeeded)
            Assert.Fail($"{program} complains:\n{result.Output}{result.Errors}");
    }
}
