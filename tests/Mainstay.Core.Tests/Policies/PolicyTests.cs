using System.Linq.Expressions;
using Mainstay.Internal;

namespace Mainstay.Tests;

public sealed class PolicyTests
{
    private static readonly User Ada = new("usr_ada", roles: ["customer"], permissions: ["orders.read"]);
    private static readonly User Staff = new("usr_sam", roles: ["staff"]);
    private static readonly Policy Owner = Policy.For<Order>((order, user) => order.CustomerId == user.Id);

    private enum OrderStatus { Draft, InTransit, Done }

    [Flags] private enum Marks { None, Red, Blue }

    private sealed record Customer(Id<Customer> Id);

    private interface IOwned { string? CustomerId { get; } }

    private sealed record Line(string Sku);

    private sealed record Order : IOwned
    {
        public Id<Order> Id { get; init; }
        public string? CustomerId { get; init; }
        public Id<Customer> Buyer { get; init; }
        public Id<Customer>? Reseller { get; init; }
        public string? Name { get; init; }
        public string? Region { get; init; }
        public bool Shared { get; init; }
        public bool? Approved { get; init; }
        public OrderStatus Status { get; init; }
        public OrderStatus? Former { get; init; }
        public short Small { get; init; }
        public int Quantity { get; init; }
        public int? Limit { get; init; }
        public long Big { get; init; }
        public decimal Total { get; init; }
        public Guid OwnerUuid { get; init; }
        public int OwnerNumber { get; init; }
        public DateTimeOffset At { get; init; }
        public DateTimeOffset? Until { get; init; }
        public double Weight { get; init; }
        public DateTime Local { get; init; }
        public Marks Marks { get; init; }
        public Line? Line { get; init; }
        public List<Line> Lines { get; init; } = [];
    }

    [Fact]
    public void Policies_about_the_user_are_decided_without_a_row()
    {
        Policy.Anyone.Resolve(User.Anonymous, null).ShouldBe(Predicate.Always);
        Policy.SignedIn.Resolve(User.Anonymous, null).ShouldBe(Predicate.Never);
        Policy.SignedIn.Resolve(Ada, null).ShouldBe(Predicate.Always);
        Policy.Role("staff").Resolve(Ada, null).ShouldBe(Predicate.Never);
        Policy.Role("staff").Resolve(Staff, null).ShouldBe(Predicate.Always);
        Policy.Permission("orders.read").Resolve(Ada, typeof(Order)).ShouldBe(Predicate.Always);
        Policy.Permission("orders.read").Resolve(Staff, null).ShouldBe(Predicate.Never);
    }

    [Fact]
    public void What_is_decided_about_the_user_does_not_reach_the_row()
    {
        var readable = Policy.Role("staff") | Owner;

        readable.Resolve(Staff, typeof(Order)).ShouldBe(Predicate.Always);
        readable.Resolve(User.Anonymous, typeof(Order)).ShouldBe(Predicate.Never);
        readable.Resolve(Ada, typeof(Order)).ShouldBeOfType<Predicate.Compare>().Value.ShouldBe("usr_ada");
        (Policy.Role("staff") & Owner).Resolve(Ada, typeof(Order)).ShouldBe(Predicate.Never);
        (Policy.Role("staff") & Owner).Resolve(Staff, typeof(Order)).ShouldBeOfType<Predicate.Compare>();
    }

    [Fact]
    public void Terms_about_the_user_inside_a_rule_are_folded_too()
    {
        var rule = Policy.For<Order>((order, user) => user.HasRole("staff") || (user.Permissions.Contains("orders.read") && user.IsAuthenticated && order.Shared) || user.Id == "usr_root");

        rule.Resolve(Staff, typeof(Order)).ShouldBe(Predicate.Always);
        rule.Resolve(User.Anonymous, typeof(Order)).ShouldBe(Predicate.Never);
        rule.Resolve(new User("usr_root"), typeof(Order)).ShouldBe(Predicate.Always);
        rule.Resolve(Ada, typeof(Order)).ShouldBeOfType<Predicate.Compare>().Member.Name.ShouldBe("Shared");
    }

    [Fact]
    public void The_system_passes_every_policy() =>
        (Policy.Role("staff") & Owner).Resolve(User.System("job"), typeof(Order)).ShouldBe(Predicate.Always);

    [Fact]
    public void A_missing_owner_is_not_the_anonymous_user()
    {
        Holds((order, user) => order.CustomerId == user.Id, new Order { CustomerId = null }, User.Anonymous).ShouldBeFalse();
        Holds((order, user) => order.CustomerId == user.Id, new Order { CustomerId = "" }, User.Anonymous).ShouldBeFalse();
        Holds((order, user) => order.CustomerId != user.Id, new Order { CustomerId = "" }, User.Anonymous).ShouldBeTrue();
        Holds((order, user) => order.Region == "eu" && user.HasRole(order.Name!), new Order { Region = "eu", Name = "" }, User.Anonymous).ShouldBeFalse();
    }

    [Fact]
    public void A_typed_id_is_compared_with_the_users_id()
    {
        var id = Id<Customer>.New();
        var order = new Order { Buyer = id, Reseller = null };

        foreach (var rule in new Expression<Func<Order, User, bool>>[]
        {
            (order, user) => order.Buyer.ToString() == user.Id,
            (order, user) => user.Id == order.Buyer.ToString(),
            (order, user) => order.Buyer == Id<Customer>.Parse(user.Id),
        })
        {
            Holds(rule, order, new User(id.ToString())).ShouldBeTrue();
            Holds(rule, order, new User(Id<Customer>.New().ToString())).ShouldBeFalse();
            Holds(rule, order, new User(id.Value.ToString())).ShouldBeFalse();
            Policy.For(rule).Resolve(new User("usr_ada"), typeof(Order)).ShouldBe(Predicate.Never);
            Policy.For(rule).Resolve(User.Anonymous, typeof(Order)).ShouldBe(Predicate.Never);
            Policy.For(rule).EqualityMembers.ShouldBe(["Buyer"]);
        }

        Holds((order, user) => order.Reseller!.Value.ToString() == user.Id, order, new User(id.ToString())).ShouldBeFalse();
        Holds((order, user) => order.Reseller.ToString() == user.Id, order with { Reseller = id }, new User(id.ToString())).ShouldBeTrue();
    }

    [Theory]
    [InlineData("7", true)]
    [InlineData("07", false)]
    [InlineData("+7", false)]
    [InlineData(" 7", false)]
    [InlineData("4294967303", false)]
    public void A_number_is_compared_with_the_users_id(string id, bool expected) =>
        Holds((order, user) => order.OwnerNumber.ToString() == user.Id, new Order { OwnerNumber = 7 }, new User(id)).ShouldBe(expected);

    [Fact]
    public void A_uuid_is_compared_with_the_users_id()
    {
        var uuid = new Guid("01890a5d-ac96-774b-bcce-b302099a8057");
        var order = new Order { OwnerUuid = uuid };

        Holds((order, user) => order.OwnerUuid.ToString() == user.Id, order, new User(uuid.ToString())).ShouldBeTrue();
        Holds((order, user) => order.OwnerUuid.ToString() == user.Id, order, new User(uuid.ToString().ToUpperInvariant())).ShouldBeFalse();
        Holds((order, user) => order.OwnerUuid == Guid.Parse(user.Id), order, new User(uuid.ToString())).ShouldBeTrue();
    }

    [Fact]
    public void A_user_id_that_no_column_can_hold_is_equal_to_none() =>
        Owner.Resolve(new User("usr\0"), typeof(Order)).ShouldBe(Predicate.Never);

    [Fact]
    public void Null_has_the_meaning_of_csharp_and_never_throws()
    {
        var empty = new Order();

        Holds((order, user) => order.Name == null, empty).ShouldBeTrue();
        Holds((order, user) => null != order.Name, empty).ShouldBeFalse();
        Holds((order, user) => order.Name != "x", empty).ShouldBeTrue();
        Holds((order, user) => order.Name == order.Region, empty).ShouldBeTrue();
        Holds((order, user) => order.Name!.StartsWith("xy"), empty).ShouldBeFalse();
        Holds((order, user) => !order.Name!.StartsWith('x'), empty).ShouldBeTrue();
        Holds((order, user) => order.Limit < 5, empty).ShouldBeFalse();
        Holds((order, user) => !(order.Limit < 5), empty).ShouldBeTrue();
        Holds((order, user) => order.Limit >= 5, empty).ShouldBeFalse();
        Holds((order, user) => order.Limit!.Value < 5, empty).ShouldBeFalse();
        Holds((order, user) => order.Limit.HasValue, empty).ShouldBeFalse();
        Holds((order, user) => order.Limit != 5, empty).ShouldBeTrue();
        Holds((order, user) => order.Approved == true, empty).ShouldBeFalse();
        Holds((order, user) => order.Approved != true, empty).ShouldBeTrue();
        Holds((order, user) => order.Limit == order.Quantity, empty).ShouldBeFalse();
        Holds((order, user) => order.Limit < order.Quantity, empty).ShouldBeFalse();
    }

    [Fact]
    public void Captured_values_are_read_when_the_policy_is_declared()
    {
        var region = "eu";
        var regions = new List<string?> { "eu", null };
        var one = Policy.For<Order>((order, user) => order.Region == region);
        var several = Policy.For<Order>((order, user) => regions.Contains(order.Region));

        region = "us";
        regions.Clear();

        one.Resolve(Ada, typeof(Order)).Holds(new Order { Region = "eu" }).ShouldBeTrue();
        several.Resolve(Ada, typeof(Order)).Holds(new Order { Region = "eu" }).ShouldBeTrue();
        several.Resolve(Ada, typeof(Order)).Holds(new Order { Region = null }).ShouldBeTrue();
        several.Resolve(Ada, typeof(Order)).Holds(new Order { Region = "us" }).ShouldBeFalse();
    }

    [Fact]
    public void Every_form_of_contains_is_read()
    {
        string[] array = ["eu", "uk"];
        string[] nothing = [];
        HashSet<string> set = ["eu", "uk"];
        IEnumerable<string> sequence = array;
        IReadOnlyList<string> readOnly = array;
        OrderStatus[] statuses = [OrderStatus.Draft, OrderStatus.InTransit];
        var numbers = new long[] { 1, 2 };
        var limits = new List<int?> { 3, null };
        var ids = new[] { Id<Order>.From(Guid.Empty) };

        foreach (var rule in new Expression<Func<Order, User, bool>>[]
        {
            (order, user) => array.Contains(order.Region),
            (order, user) => set.Contains(order.Region!),
            (order, user) => sequence.Contains(order.Region),
            (order, user) => readOnly.Contains(order.Region),
            (order, user) => new[] { "eu", "uk" }.Contains(order.Region),
            (order, user) => new List<string> { "eu", "uk" }.Contains(order.Region!),
            (order, user) => Enumerable.Contains(array, order.Region),
            (order, user) => statuses.Contains(order.Status) && order.Region != "us",
            (order, user) => numbers.Contains(order.Quantity) && order.Region != "us",
            (order, user) => limits.Contains(order.Limit) && order.Region != "us",
            (order, user) => ids.Contains(order.Id) && order.Region != "us",
        })
        {
            Holds(rule, new Order { Region = "eu", Status = OrderStatus.InTransit, Quantity = 2 }).ShouldBeTrue(rule.ToString());
            Holds(rule, new Order { Region = "us", Status = OrderStatus.Done, Quantity = 3, Limit = 7, Id = Id<Order>.New() }).ShouldBeFalse(rule.ToString());
        }

        Holds((order, user) => array.Contains(user.Id), new Order(), new User("uk")).ShouldBeTrue();
        Holds((order, user) => array.Contains(user.Id), new Order(), Ada).ShouldBeFalse();
        Holds((order, user) => nothing.Contains(order.Region) || user.Roles.Contains(order.Name!), new Order { Name = "customer" }).ShouldBeTrue();
    }

    [Fact]
    public void Numbers_enums_times_and_ids_are_compared_by_value()
    {
        var at = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.FromHours(1)).AddTicks(17);
        var order = new Order { Small = 3, Quantity = 3, Big = 3, Total = 3.0m, Status = OrderStatus.InTransit, At = at };
        var sameInstant = at.ToUniversalTime().AddTicks(2);
        var status = OrderStatus.InTransit;
        long three = 3;
        int? none = null;

        Holds((order, user) => order.Small == 3 && order.Quantity == three && order.Big == 3 && order.Total == 3, order).ShouldBeTrue();
        Holds((order, user) => order.Small == order.Total && order.Quantity <= order.Big && order.Small < 3.5m, order).ShouldBeTrue();
        Holds((order, user) => order.Status == status && OrderStatus.Done != order.Status && order.Former == null, order).ShouldBeTrue();
        Holds((order, user) => order.Former == OrderStatus.Draft, order).ShouldBeFalse();
        Holds((order, user) => order.At == sameInstant && order.At > new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), order).ShouldBeTrue();
        Holds((order, user) => order.Quantity == none || order.Quantity < none, order).ShouldBeFalse();
        Holds((order, user) => order.Id == default(Id<Order>) && order.Id < Id<Order>.From(Guid.AllBitsSet), order, refused: "It would be calculated once").ShouldBeFalse();
    }

    [Fact]
    public void A_condition_can_be_compared_with_a_constant() =>
        Holds((order, user) => (order.Quantity > 1) == true && order.Shared == false && user.HasRole("x") != true, new Order { Quantity = 2 }).ShouldBeTrue();

    [Fact]
    public void The_rule_of_an_interface_guards_every_row_that_implements_it()
    {
        var owner = Policy.For<IOwned>((row, user) => row.CustomerId == user.Id);

        owner.Check(typeof(Order), "Resource Order");
        owner.Resolve(Ada, typeof(Order)).Holds(new Order { CustomerId = "usr_ada" }).ShouldBeTrue();
    }

    [Fact]
    public void A_policy_of_another_row_is_a_mistake_of_the_declaration()
    {
        Owner.RowTypes.ShouldBe([typeof(Order)]);
        (Policy.Role("staff") | Owner).RowTypes.ShouldBe([typeof(Order)]);
        Policy.Role("staff").RowTypes.ShouldBeEmpty();

        var other = Should.Throw<ConfigurationException>(() => (Policy.Role("staff") | Owner).Check(typeof(Customer), "Resource Customer"));
        other.Code.ShouldBe("MST1308");
        other.Message.ShouldContain("Policy.For<Customer>(…)");
        Should.Throw<ConfigurationException>(() => Owner.Check(null, "POST /v1/orders")).Message.ShouldContain("POST /v1/orders is allowed by 'order.customerId = user.id'");
        Should.Throw<ConfigurationException>(() => Owner.Resolve(User.System("job"), null)).Code.ShouldBe("MST1308");
    }

    [Fact]
    public void A_policy_tells_what_it_mentions()
    {
        var policy = (Policy.Role("staff") & Policy.Permission("orders.read"))
            | Policy.For<Order>((order, user) => (order.CustomerId == user.Id && user.HasRole("customer")) || user.Roles.Contains(order.Region!) || order.Name != user.Id || !(order.Name == user.Id));

        policy.Roles.ShouldBe(["staff", "customer"], ignoreOrder: true);
        policy.Permissions.ShouldBe(["orders.read"]);
        policy.EqualityMembers.ShouldBe(["CustomerId", "Region"]);
    }

    [Fact]
    public void A_policy_describes_itself()
    {
        string[] regions = ["eu", "uk"];
        var staff = Policy.Role("staff");

        (staff | Owner).Describe().ShouldBe("role staff or (order.customerId = user.id)");
        ((staff | Policy.Permission("orders.read")) & Policy.SignedIn | Policy.Anyone).Describe().ShouldBe("((role staff or permission orders.read) and signed in) or anyone");
        Policy.For<Order>((order, user) => (order.Shared || !order.Approved!.Value) && order.Status != OrderStatus.InTransit && regions.Contains(order.Region) && order.Name!.StartsWith("a = b"))
            .Describe().ShouldBe("(order.shared or not (order.approved)) and order.status != inTransit and order.region in ('eu', 'uk') and order.name starts with 'a = b'");
    }

    [Fact]
    public void Everything_else_is_refused_where_it_is_declared()
    {
        var set = new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "eu" };
        Func<Order, bool> function = _ => true;
        var half = "\ud800";
        var many = Enumerable.Range(0, 1001).ToArray();
        List<string>? missing = null;

        Refuses((order, user) => order.Name!.Trim() == "x", "'order.Name.Trim()'", "Store the normalized text");
        Refuses((order, user) => order.Name!.EndsWith("xy"), "Only StartsWith can use an index");
        Refuses((order, user) => order.Name!.Contains("xy"), "Only StartsWith can use an index");
        Refuses((order, user) => order.Name!.StartsWith("x", StringComparison.OrdinalIgnoreCase), "character by character");
        Refuses((order, user) => order.Name!.StartsWith(order.Region!), "constant text");
        Refuses((order, user) => order.Name!.StartsWith(user.Id), "constant text");
        Refuses((order, user) => order.Name!.Equals(user.Id), "Write ==");
        Refuses((order, user) => string.Equals(order.Name, user.Id), "Write ==");
        Refuses((order, user) => string.IsNullOrEmpty(order.Name), "row.X == null");
        Refuses((order, user) => string.Compare(order.Name, "x") < 0, "collation");
        Refuses((order, user) => order.Name!.Length > 3, "Only members of the row itself");
        Refuses((order, user) => order.Line!.Sku == "x", "Only members of the row itself");
        Refuses((order, user) => order.Line == null, "Repeat the needed value");
        Refuses((order, user) => order.Lines.Any(line => line.Sku == "x"), "A policy reads one row");
        Refuses((order, user) => Array.Empty<string>().Contains(order.Region), "use the variable here");
        Refuses((order, user) => order.Quantity + 1 == 2, "Calculations");
        Refuses((order, user) => (order.Shared ? 1 : 2) == 1, "&&");
        Refuses((order, user) => order.Shared ? order.Quantity == 1 : order.Quantity == 2, "&&");
        Refuses((order, user) => order.Approved ?? false, "Compare with null");
        Refuses((order, user) => order.Shared | order.Quantity == 1, "Write && and ||");
        Refuses((order, user) => order.Shared ^ order.Quantity == 1, "no SQL with the same meaning");
        Refuses((order, user) => order.Weight > 1, "Use decimal");
        Refuses((order, user) => order.Quantity > 1.5, "can change the value");
        Refuses((order, user) => (short)order.Quantity == 1, "can change the value");
        Refuses((order, user) => order.Local == DateTime.MinValue, "Use DateTimeOffset");
        Refuses((order, user) => order.Marks == Marks.Red, "flags");
        Refuses((order, user) => order.Status > OrderStatus.Draft, "stored by name");
        Refuses((order, user) => order.Status == (OrderStatus)9, "no member of OrderStatus");
        Refuses((order, user) => order.At > TimeProvider.System.GetUtcNow(), "when the policy is declared");
        Refuses((order, user) => order.At > default(DateTimeOffset).AddDays(1), "calculate it before");
        Refuses((order, user) => function(order), "Write its expression here");
        Refuses((order, user) => set.Contains(order.Region!), "ignores letter case");
        Refuses((order, user) => missing!.Contains(order.Region!), "null");
        Refuses((order, user) => many.Contains(order.Quantity), "at most 1000");
        Refuses((order, user) => order.Name == half, "surrogate");
        Refuses((order, user) => order.Buyer.ToString() == "order_1", "is not the text of a Id<Customer>");
        Refuses((order, user) => order.Total.ToString() == user.Id, "no text form");
        Refuses((order, user) => order.Id == Id<Order>.Parse(order.Name!), "no SQL");
        Refuses((order, user) => order.CustomerId == user.ToString(), "no SQL");
        Refuses((order, user) => order.CustomerId == user.Id + "x", "Calculations");
        Refuses((order, user) => user.Roles.Count > 1, "Only members of the row itself");
        Refuses((order, user) => user == User.Anonymous, "no SQL");
        Refuses((order, user) => order.Shared == user.IsAuthenticated, "Of the user");
    }

    private static bool Holds(Expression<Func<Order, User, bool>> rule, Order order, User? user = null) =>
        Policy.For(rule).Resolve(user ?? Ada, typeof(Order)).Holds(order);

    private static bool Holds(Expression<Func<Order, User, bool>> rule, Order order, string refused)
    {
        Refuses(rule, refused);
        return false;
    }

    private static void Refuses(Expression<Func<Order, User, bool>> rule, params string[] messageParts)
    {
        var error = Should.Throw<ConfigurationException>(() => Policy.For(rule), rule.ToString());
        error.Code.ShouldBe("MST1301");
        error.Message.ShouldContain("Policy.For<Order>");
        foreach (var part in messageParts)
            error.Message.ShouldContain(part);
    }
}
