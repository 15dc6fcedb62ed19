using System.Globalization;
using System.Text.RegularExpressions;

namespace Mainstay.Tests;

/// <summary>
/// The document is true: a fuzzer that knows nothing but the document asks everything it promises and much that it forbids, as every role and as
/// nobody, and finds no difference. A longer run is a command in docs/guide/openapi.md.
/// </summary>
public sealed partial class FuzzTests(ContractApplications applications, ContractFolder contract) : IClassFixture<ContractApplications>
{
    /// <summary>Three, and up to two more as long as something has not been met.</summary>
    private static readonly int[] seeds = [1, 2, 3, 4, 5];

    private const int SeedsLeast = 3;

    [Theory, InlineData("shop"), InlineData("library"), InlineData("store"), InlineData("workshop")]
    public async Task No_answer_differs_from_the_document_and_every_operation_is_successful(string application)
    {
        var running = applications[application];
        HashSet<string>? never = null;
        var statuses = "";
        foreach (var seed in seeds)
        {
            var result = await contract.RunAsync("fuzz.mjs",
                [$"{running.Address}/v1/openapi.json", "--seed", seed.ToString(CultureInfo.InvariantCulture), "--rounds", "2", "--persist", "--statuses", .. running.Users.SelectMany(user => new[] { "--word", user }), .. running.Credentials.SelectMany(known => new[] { "--as", $"{known.Key}={known.Value}" })]);

            TestContext.Current.TestOutputHelper!.WriteLine(result.Output);
            if (!result.Succeeded)
                Assert.Fail($"{application} and its document differ:\n{result.Output}{result.Errors}");
            string[] missing = Never().Match(result.Output) is { Success: true } found ? found.Groups[1].Value.Split(", ") : [];
            never = never is null ? [.. missing] : [.. never.Intersect(missing)];
            statuses += result.Output;
            if (seed >= SeedsLeast && never.Count == 0 && (application != "workshop" || Limited().IsMatch(statuses)))
                break;
        }

        never!.ShouldBeEmpty($"What is never successful is not tested. The fuzzer's answers:\n{statuses}");
        if (application == "workshop")
            Limited().IsMatch(statuses).ShouldBeTrue("The limit that is near was not met.");
    }

    [GeneratedRegex("(?m)^getWhistle: 200 .*429")]
    private static partial Regex Limited();

    [GeneratedRegex("(?m), never successful: (.*)$")]
    private static partial Regex Never();
}
