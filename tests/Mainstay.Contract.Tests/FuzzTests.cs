using System.Globalization;

namespace Mainstay.Tests;

/// <summary>
/// The document is true: a fuzzer that knows nothing but the document asks everything it promises and much that it forbids, as every role and as
/// nobody, and finds no difference. A longer run is a command in docs/guide/openapi.md.
/// </summary>
public sealed class FuzzTests(ContractApplications applications, ContractFolder contract) : IClassFixture<ContractApplications>
{
    [Theory]
    [InlineData("shop", 1), InlineData("shop", 2), InlineData("shop", 3), InlineData("shop", 4), InlineData("shop", 5)]
    [InlineData("library", 1), InlineData("library", 2), InlineData("library", 3), InlineData("library", 4), InlineData("library", 5)]
    [InlineData("store", 1), InlineData("store", 2), InlineData("store", 3), InlineData("store", 4), InlineData("store", 5)]
    [InlineData("workshop", 1), InlineData("workshop", 2), InlineData("workshop", 3), InlineData("workshop", 4), InlineData("workshop", 5)]
    public async Task No_answer_differs_from_the_document(string application, int seed)
    {
        var running = applications[application];
        var result = await contract.RunAsync("fuzz.mjs",
            [$"{running.Address}/v1/openapi.json", "--seed", seed.ToString(CultureInfo.InvariantCulture), "--rounds", "2", "--all-succeed", "--statuses", .. running.Users.SelectMany(user => new[] { "--word", user }), .. running.Credentials.SelectMany(known => new[] { "--as", $"{known.Key}={known.Value}" })]);

        TestContext.Current.TestOutputHelper!.WriteLine(result.Output);
        if (!result.Succeeded)
            Assert.Fail($"{application} and its document differ:\n{result.Output}{result.Errors}");
        if (application == "workshop")
            result.Output.ShouldMatch("(?m)^getWhistle: 200 .*429", "The limit that is near was not met.");
    }
}
