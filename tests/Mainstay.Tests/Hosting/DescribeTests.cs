using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>What the declarations say of themselves. Neither a database nor an address is needed.</summary>
public sealed class DescribeTests
{
    [Fact]
    public void Everything_that_is_declared_is_listed_and_who_listens_to_what_is_drawn()
    {
        using var output = new StringWriter();
        using var folder = new TemporaryFolder();
        var backend = Backend.Create("shop", ["describe", $"--Mainstay:DataFolder={folder.Path}"]);
        backend.Resource<Shelf>("/v1/shelves").AllowRead(Policy.Anyone);
        backend.Schema("ordering").Resource<Basket>("/v1/baskets").AllowRead(Policy.Anyone);
        backend.Event<Placed>("order.placed");
        backend.Event<Paid>("order.paid");
        backend.Event<Failed>("order.failed");
        backend.Command("POST /v1/orders", (UnitOfWork work) => work.Publish(new Placed("1"))).Allow(Policy.Role("customer")).Sends<Placed>();
        backend.On("count \"units\"", (Placed placed, UnitOfWork work) => { }).Sends<Mail>();
        backend.Job<Mail>("send mail", (Mail mail, Outbound outbound) => { });
        backend.Job("tidy", Schedule.Cron("0 3 * * *"), (UnitOfWork work) => { });
        backend.Dependency("payments", "https://payments.example.com");
        backend.Saga<Placed>("fulfil").By(placed => placed.Order)
            .Step("charge", (Outbound outbound) => Task.CompletedTask, undo: (Outbound outbound) => Task.CompletedTask, options: step => step.Sends<Paid>().Undo(undo => undo.Sends<Failed>()))
            .Wait<Paid>("paid", paid => paid.Order, TimeSpan.FromHours(1))
            .When("is large", (Placed placed) => placed.Order.Length > 3, then => then.Step("check", (UnitOfWork work) => Task.CompletedTask));

        CommandLine.Run(backend, output).ShouldBe(0);

        var text = output.ToString().ReplaceLineEndings("\n");
        text.ShouldContain("""
            | table | rows | resource |
            |---|---|---|
            | ordering.baskets | Basket | `/v1/baskets` |
            | public.shelves | Shelf | `/v1/shelves` |
            """.ReplaceLineEndings("\n"));
        text.ShouldContain("| `POST /v1/orders` | role customer | order.placed |");
        text.ShouldContain("| order.placed | count \"units\", fulfil |");
        text.ShouldContain("| order.paid | fulfil: paid |");
        text.ShouldContain("| tidy | cron 0 3 * * * in UTC | once | default |");
        text.ShouldContain("| payments | https://payments.example.com/ |");
        text.ShouldContain("| charge, can be undone | yes | order.paid, order.failed (undo) |");
        text.ShouldContain("| count \"units\" | order.placed | once | default | send mail |");
        text.ShouldContain("""
            ```mermaid
            flowchart LR
              n0["POST /v1/orders"]
              n1(["order.placed"])
              n0 --> n1
              n2("count #quot;units#quot;<br/>once")
              n1 --> n2
              n3[/"fulfil"/]
              n1 --> n3
              n4(["order.paid"])
              n4 --> n3
              n5{{"cron 0 3 * * * in UTC"}}
              n6("tidy<br/>once")
              n5 --> n6
              n7["charge"]
              n3 --> n7
              n7 --> n4
              n8["undo charge"]
              n7 -.-> n8
              n9(["order.failed"])
              n8 --> n9
              n10["wait: paid"]
              n7 --> n10
              n11{"is large"}
              n10 --> n11
              n12["check"]
              n11 --> n12
              n13("send mail<br/>at least once")
              n2 --> n13
              n14[["payments"]]
            ```
            """.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void What_a_handler_says_it_sends_has_to_be_declared()
    {
        using var output = new StringWriter();
        using var folder = new TemporaryFolder();
        var backend = Backend.Create("shop", ["describe", $"--Mainstay:DataFolder={folder.Path}"]);
        backend.Event<Placed>("order.placed");
        backend.On("count", (Placed placed, UnitOfWork work) => { }).Sends<Paid>();

        Should.Throw<ConfigurationException>(() => CommandLine.Run(backend, output)).Message.ShouldContain("'count' says that it sends Paid, which is declared neither as an event nor as a job");
    }

    private sealed record Shelf(Id<Shelf> Id);

    private sealed record Basket(Id<Basket> Id);

    private sealed record Placed(string Order);

    private sealed record Paid(string Order);

    private sealed record Failed(string Order);

    private sealed record Mail(string To);
}
