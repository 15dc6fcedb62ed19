using System.ComponentModel.DataAnnotations;
using System.Text.Json.Nodes;
using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>The commands as a pipeline runs them: declarations, a folder, an exit code, and what is printed. There is no database in these tests.</summary>
public sealed class ContractCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_contract_that_was_written_is_up_to_date()
    {
        var (written, first) = Run(Declare, "contract", "write");
        var (checkedAgain, second) = Run(Declare, "contract", "check");

        written.ShouldBe(0);
        first.ShouldContain("shop.v1.json was written.");
        checkedAgain.ShouldBe(0);
        second.ShouldContain("up to date.");
        Run(Declare, "contract", "write").Text.ShouldContain("is up to date.");
    }

    [Fact]
    public void Every_version_has_a_document_of_its_own()
    {
        Run(backend => { Declare(backend); backend.Query("GET /v2/opening", () => "9 to 5").Allow(Policy.Anyone); }, "contract", "write");

        Names().ShouldBe(["shop.v1.json", "shop.v2.json"]);
        Contract("v1").ShouldNotContain("/v2/");
        Contract("v2").ShouldNotContain("/v1/");
    }

    /// <summary>Where and how the application runs does not get into the contract: not its address, not its settings, not its keys.</summary>
    [Fact]
    public void The_same_declarations_give_the_same_bytes_everywhere()
    {
        Run(Declare, "contract", "write", "--environment", "Development");
        var here = Contract("v1");
        Run(Declare, "contract", "write", "--environment", "Production", "--urls", "http://10.0.0.1:8123", "--Mainstay:Api:Url=https://shop.example", "--Mainstay:Api:Title=Elsewhere",
            "--Mainstay:Api:Contact:Email=ops@shop.example", "--ConnectionStrings:mainstay=Host=nowhere.example", "--Mainstay:Docs=false");

        Contract("v1").ShouldBe(here);
        here.ShouldNotContain("localhost");
        here.ShouldNotContain("8123");
        here.ShouldNotContain("\r");
        here.ShouldEndWith("}\n");
    }

    [Fact]
    public void A_compatible_change_is_listed_and_passes()
    {
        Run(Declare, "contract", "write");

        var (exitCode, text) = Run(backend => Declare<Product, WithNote.PlaceOrder>(backend), "contract", "check");

        exitCode.ShouldBe(0, text);
        text.ShouldContain("0 breaking, 1 compatible changes");
        text.ShouldContain("compatible  'note' is new and optional.");
        text.ShouldContain("Nobody breaks. Run contract write");
    }

    [Fact]
    public void A_breaking_change_fails_and_says_for_whom_where_and_what_to_do()
    {
        Run(Declare, "contract", "write");

        var (exitCode, text) = Run(backend => Declare<WithoutPrice.Product, PlaceOrder>(backend), "contract", "check");

        exitCode.ShouldBe(1, text);
        text.ShouldContain("BREAKING    'data.price' is no longer answered.\n  in        ");
        text.ShouldContain("at        /components/schemas/Product/properties/price\n");
        text.ShouldContain("breaks    clients that read data.price, clients that read data[].price\n");
        text.ShouldContain("instead   Keep it and mark it deprecated.");
        text.ShouldContain("clients that send price");
    }

    [Fact]
    public void What_breaks_clients_is_written_only_with_a_reason_which_is_kept()
    {
        Run(Declare, "contract", "write");
        var before = Contract("v1");

        var (refused, why) = Run(backend => Declare<Product, WithLess.PlaceOrder>(backend), "contract", "write");

        refused.ShouldBe(1, why);
        why.ShouldContain("clients that send quantity outside of the new bound");
        why.ShouldContain("Nothing was written");
        Contract("v1").ShouldBe(before);
        Names().ShouldBe(["shop.v1.json"]);

        var (written, text) = Run(backend => Declare<Product, WithLess.PlaceOrder>(backend), "contract", "write", "--breaking", "Nobody may hoard tea");

        written.ShouldBe(0, text);
        Contract("v1").ShouldNotBe(before);
        var breaks = File.ReadAllText(Path.Combine(_folder.Path, "shop.v1.breaks.md"));
        breaks.ShouldStartWith("# What was broken in shop v1 on purpose\n\n## Nobody may hoard tea\n\n- ");
        breaks.ShouldContain("maximum of 'quantity': 100 became 10. Breaks clients that send quantity outside of the new bound. In POST /v1/orders.");
        Run(backend => Declare<Product, WithLess.PlaceOrder>(backend), "contract", "check").ExitCode.ShouldBe(0);

        Run(Declare, "contract", "write", "--breaking", "not needed");
        File.ReadAllText(Path.Combine(_folder.Path, "shop.v1.breaks.md")).ShouldBe(breaks, "Going back breaks nobody, so there is nothing to record.");
    }

    [Fact]
    public void A_version_that_is_gone_breaks_all_its_clients()
    {
        Run(backend => { Declare(backend); backend.Query("GET /v2/opening", () => "9 to 5").Allow(Policy.Anyone); }, "contract", "write");

        var (exitCode, text) = Run(Declare, "contract", "check");

        exitCode.ShouldBe(1, text);
        text.ShouldContain("The version v2 is gone.");
        text.ShouldContain("breaks    every client of v2");
        Run(Declare, "contract", "write", "--breaking", "Its sunset has passed").ExitCode.ShouldBe(0);
        Names().ShouldBe(["shop.v1.json", "shop.v2.breaks.md"]);
    }

    [Fact]
    public void A_new_version_passes_and_is_to_be_written()
    {
        Run(Declare, "contract", "write");

        var (exitCode, text) = Run(backend => { Declare(backend); backend.Query("GET /v2/opening", () => "9 to 5").Allow(Policy.Anyone); }, "contract", "check");

        exitCode.ShouldBe(0, text);
        text.ShouldContain("shop.v2.json: a new version.");
        text.ShouldContain("Run contract write");
    }

    [Fact]
    public void Without_a_contract_there_is_nothing_to_pass()
    {
        var (exitCode, text) = Run(Declare, "contract", "check");

        exitCode.ShouldBe(1);
        text.ShouldContain("to compare with. Write it with 'contract write'");
    }

    [Fact]
    public void Words_alone_leave_the_contract_out_of_date_and_break_nobody()
    {
        Run(Declare, "contract", "write");
        File.WriteAllText(Path.Combine(_folder.Path, "shop.v1.json"), Contract("v1").Replace("Create an order", "Order tea", StringComparison.Ordinal).Replace("Not enough stock", "Too little tea", StringComparison.Ordinal));

        var (exitCode, text) = Run(Declare, "contract", "check");

        exitCode.ShouldBe(0, text);
        text.ShouldContain("out of date; only words, examples or order differ");
    }

    [Fact]
    public void A_checkout_with_other_line_ends_is_up_to_date()
    {
        Run(Declare, "contract", "write");
        File.WriteAllText(Path.Combine(_folder.Path, "shop.v1.json"), Contract("v1").ReplaceLineEndings("\r\n"));

        Run(Declare, "contract", "check").Text.ShouldContain("up to date.");
    }

    [Theory]
    [InlineData("<<<<<<< HEAD\n{}")]
    [InlineData("[]")]
    public void A_contract_that_cannot_be_read_is_refused(string text)
    {
        File.WriteAllText(Path.Combine(_folder.Path, "shop.v1.json"), text);

        Should.Throw<ConfigurationException>(() => Run(Declare, "contract", "check")).Code.ShouldBe("MST1601");
    }

    [Theory]
    [InlineData("/components/schemas/Problem/properties/status/minimum", "'a'", "/components/schemas/Problem/properties/status/minimum is \"a\", expected a number")]
    [InlineData("/components/schemas/Problem/properties/status/enum", "5", "/components/schemas/Problem/properties/status/enum is 5, expected an array of values")]
    [InlineData("/components/schemas/Problem/properties/status/type", "{}", "/components/schemas/Problem/properties/status/type is {}, expected the name of a type")]
    [InlineData("/components/schemas/Problem/properties/status/type", "[1]", "/components/schemas/Problem/properties/status/type/0 is 1, expected the name of a type")]
    [InlineData("/components/schemas/Problem/properties/status", "'integer'", "/components/schemas/Problem/properties/status is \"integer\", expected a schema")]
    [InlineData("/components/schemas/Problem/properties/status", "{'$ref':'x'}", "/components/schemas/Problem/properties/status/$ref is 'x', expected a place in the same document")]
    [InlineData("/components/schemas/Problem/properties/status", "{'$ref':'#/nowhere'}", "/nowhere is null, expected a schema")]
    [InlineData("/components/schemas/Problem/properties", "[]", "/components/schemas/Problem/properties is [], expected an object")]
    [InlineData("/components/schemas/Problem/required", "'type'", "/components/schemas/Problem/required is \"type\", expected an array")]
    [InlineData("/components/schemas/Problem/additionalProperties", "'no'", "/components/schemas/Problem/additionalProperties is \"no\", expected a schema")]
    [InlineData("/components/schemas/Problem/allOf", "{}", "/components/schemas/Problem/allOf is {}, expected an array")]
    [InlineData("/paths", "[]", "/paths is [], expected an object")]
    [InlineData("/components/parameters/PageSize/explode", "'yes'", "/components/parameters/PageSize/explode is \"yes\", expected true or false")]
    [InlineData("/components/parameters/PageSize/required", "1", "/components/parameters/PageSize/required is 1, expected true or false")]
    public void A_contract_with_something_at_a_place_where_it_cannot_be_is_refused_with_the_place(string pointer, string value, string found)
    {
        Run(Declare, "contract", "write");
        var contract = JsonNode.Parse(Contract("v1"))!;
        var (parent, last) = (pointer[1..].Split('/')[..^1], pointer.Split('/')[^1]);
        parent.Aggregate(contract, (node, step) => node[step]!)[last] = JsonNode.Parse(value.Replace('\'', '"'));
        File.WriteAllText(Path.Combine(_folder.Path, "shop.v1.json"), contract.ToJsonString());

        var refusal = Should.Throw<ConfigurationException>(() => Run(Declare, "contract", "check"));

        refusal.Code.ShouldBe("MST1601");
        refusal.Message.ShouldContain(found);
        refusal.Message.ShouldContain("Restore it from version control");
    }

    [Fact]
    public void A_contract_in_which_a_member_is_given_twice_is_refused()
    {
        Run(Declare, "contract", "write");
        File.WriteAllText(Path.Combine(_folder.Path, "shop.v1.json"), Contract("v1").Replace("\"paths\": {", "\"paths\": {},\n\"paths\": {", StringComparison.Ordinal));

        Should.Throw<ConfigurationException>(() => Run(Declare, "contract", "check")).Code.ShouldBe("MST1601");
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_refused()
    {
        var file = Path.Combine(_folder.Path, "file");
        File.WriteAllText(file, "");

        Should.Throw<ConfigurationException>(() => Execute(Declare, "contract", "write", "--folder", Path.Combine(file, "contracts"))).Code.ShouldBe("MST1602");
    }

    [Theory]
    [InlineData("Did you mean 'contract check'?", "contract", "chek")]
    [InlineData("There is no command 'contract'.", "contract")]
    [InlineData("Did you mean 'folder'?", "contract", "check", "--floder", "x")]
    [InlineData("'contract check' has no option --breaking.", "contract", "check", "--breaking", "x")]
    [InlineData("--breaking is empty", "contract", "write", "--breaking", " ")]
    public void A_command_line_that_means_nothing_is_refused(string expected, params string[] arguments)
    {
        var refusal = Should.Throw<ConfigurationException>(() => Run(Declare, arguments));

        refusal.Code.ShouldBe("MST1020");
        refusal.Message.ShouldContain(expected);
    }

    [Fact]
    public void Settings_alone_are_no_command() => CommandLine.Run(Backend.Create("shop", ["--urls", "http://127.0.0.1:0", "Mainstay:Docs=true"]), TextWriter.Null).ShouldBeNull();

    [Fact]
    public void Mistakes_of_the_declarations_come_first() =>
        Should.Throw<ConfigurationException>(() => Run(backend => backend.Resource<Product>("/v1/products"), "contract", "check")).Code.ShouldBe("MST1005");

    [Fact]
    public void The_schema_is_printed_by_a_command_too()
    {
        var (exitCode, text) = Execute(Declare, "schema", "script");

        exitCode.ShouldBe(0);
        text.ShouldContain("price");
    }

    private static void Declare(Backend backend) => Declare<Product, PlaceOrder>(backend);

    private static void Declare<TProduct, TInput>(Backend backend) where TProduct : class
    {
        var outOfStock = backend.Problem("out-of-stock", 409, "Not enough stock");
        backend.Resource<TProduct>("/v1/products").AllowRead(Policy.Anyone).AllowWrite(Policy.Role("staff"));
        backend.Command("POST /v1/orders", (TInput input, UnitOfWork work) => new Receipt(work.Now)).Allow(Policy.Role("customer")).Refuses(outOfStock).Summary("Create an order");
    }

    /// <summary>Runs a command on the folder of this test.</summary>
    private (int ExitCode, string Text) Run(Action<Backend> declare, params string[] arguments) => Execute(declare, [.. arguments, "--folder", _folder.Path]);

    private static (int ExitCode, string Text) Execute(Action<Backend> declare, params string[] arguments)
    {
        var backend = Backend.Create("shop", arguments);
        declare(backend);
        var output = new StringWriter { NewLine = "\n" };
        return (CommandLine.Run(backend, output)!.Value, output.ToString());
    }

    private string Contract(string version) => File.ReadAllText(Path.Combine(_folder.Path, $"shop.{version}.json"));

    private string[] Names() => [.. Directory.EnumerateFiles(_folder.Path).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    internal sealed record Product(Id<Product> Id, [MaxLength(200)] string Name, decimal Price);

    internal sealed record PlaceOrder([Range(1, 100)] int Quantity);

    internal sealed record Receipt(DateTimeOffset At);

    // The same records as a later release has them. Their names are part of the contract.
    internal static class WithNote
    {
        internal sealed record PlaceOrder([Range(1, 100)] int Quantity, [MaxLength(100)] string? Note = null);
    }

    internal static class WithLess
    {
        internal sealed record PlaceOrder([Range(1, 10)] int Quantity);
    }

    internal static class WithoutPrice
    {
        internal sealed record Product(Id<Product> Id, [MaxLength(200)] string Name);
    }
}
