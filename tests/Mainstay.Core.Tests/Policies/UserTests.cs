namespace Mainstay.Tests;

public sealed class UserTests
{
    [Fact]
    public void A_user_has_exactly_the_given_roles_and_permissions()
    {
        var user = new User("usr_1", roles: ["staff"], permissions: ["orders.read"]);

        user.IsAuthenticated.ShouldBeTrue();
        user.HasRole("staff").ShouldBeTrue();
        user.HasRole("Staff").ShouldBeFalse();
        user.HasPermission("orders.read").ShouldBeTrue();
        user.HasPermission("orders").ShouldBeFalse();
    }

    [Fact]
    public void The_anonymous_user_has_nothing()
    {
        User.Anonymous.IsAuthenticated.ShouldBeFalse();
        User.Anonymous.Id.ShouldBe("");
        User.Anonymous.Roles.ShouldBeEmpty();
        User.Anonymous.Permissions.ShouldBeEmpty();
        User.Anonymous.ToString().ShouldBe("anonymous");
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData(null)]
    public void A_user_needs_an_id(string? id) => Should.Throw<ArgumentException>(() => new User(id!));

    [Fact]
    public void Sets_are_copied_and_compared_exactly()
    {
        var roles = new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "staff" };
        var user = new User("usr_1") { Roles = roles };

        roles.Add("admin");

        user.HasRole("admin").ShouldBeFalse();
        user.HasRole("STAFF").ShouldBeFalse();
    }

    [Fact]
    public void Users_are_equal_by_content()
    {
        new User("usr_1", ["a", "b"]).ShouldBe(new User("usr_1", ["b", "a"]));
        new User("usr_1", ["a"]).ShouldNotBe(new User("usr_1", ["b"]));
        new User("usr_1").ShouldNotBe(new User("usr_2"));
        new User("system").ShouldNotBe(User.System("job"));
    }

    [Fact]
    public void The_system_says_why_it_acts()
    {
        User.System("job reorder").IsSystem.ShouldBeTrue();
        User.System("job reorder").ToString().ShouldBe("system (job reorder)");
        new User("system").IsSystem.ShouldBeFalse();
    }
}
