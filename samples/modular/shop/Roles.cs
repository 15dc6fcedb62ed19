using Mainstay;

namespace Shop;

public static class Roles
{
    public static Policy Customer { get; } = Policy.Role("customer");

    public static Policy Staff { get; } = Policy.Role("staff");

    public static Policy Courier { get; } = Policy.Role("courier");
}
