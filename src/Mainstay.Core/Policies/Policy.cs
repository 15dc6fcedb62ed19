using System.Linq.Expressions;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>Who may do something, and to which rows. One policy answers three questions: may this user do it at all, to this row, and which rows of a table.</summary>
/// <remarks>
/// The last answer is SQL: what the policy says about the user is decided in memory, what remains becomes part of the <c>where</c> clause, so a list,
/// its counts and its cursors contain only what the user may see. Policies allow; what none allows is denied.
/// <code>
/// var staff = Policy.Role("staff");
/// var owner = Policy.For&lt;Order&gt;((order, user) =&gt; order.CustomerId == user.Id);
/// var readable = staff | owner;
/// </code>
/// </remarks>
public abstract class Policy
{
    private protected Policy()
    {
    }

    /// <summary>Everybody, signed in or not. The only policy that makes something public.</summary>
    public static Policy Anyone { get; } = new UserPolicy("anyone", static _ => true);

    /// <summary>Everybody who has proved who they are.</summary>
    public static Policy SignedIn { get; } = new UserPolicy("signed in", static user => user.IsAuthenticated);

    /// <summary>Users with this role.</summary>
    public static Policy Role(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return new UserPolicy($"role {name}", user => user.HasRole(name)) { RoleNames = [name] };
    }

    /// <summary>Users with this permission, for example <c>orders.read</c>.</summary>
    public static Policy Permission(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return new UserPolicy($"permission {name}", user => user.HasPermission(name)) { PermissionNames = [name] };
    }

    /// <summary>Rows that stand in a relation to the user, for example <c>(order, user) =&gt; order.CustomerId == user.Id</c>.</summary>
    /// <remarks>
    /// The expression is read once, here: captured variables are the values they have now. It may compare members of the row with each other, with
    /// constants and with <c>user.Id</c>, test for null, ask for roles and permissions, and use <c>list.Contains(row.X)</c> and
    /// <c>row.X.StartsWith("…")</c>. It never throws for a null: nothing starts with, is less or is greater than null.
    /// </remarks>
    /// <typeparam name="T">The row: a resource, or a base type or interface of several.</typeparam>
    /// <exception cref="ConfigurationException">MST1301: the expression has a part that cannot be SQL with the same meaning.</exception>
    public static Policy For<T>(Expression<Func<T, User, bool>> rule) where T : notnull
    {
        ArgumentNullException.ThrowIfNull(rule);
        return new RowPolicy(typeof(T), PolicyExpression.Read(rule));
    }

    /// <summary>Allows what either allows.</summary>
    public static Policy operator |(Policy left, Policy right) => left.Or(right);

    /// <summary>Allows what both allow.</summary>
    public static Policy operator &(Policy left, Policy right) => left.And(right);

    /// <summary>Allows what this policy or the other allows. Also written <c>|</c>.</summary>
    public Policy Or(Policy other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new PairPolicy(this, other, isOr: true);
    }

    /// <summary>Allows what this policy and the other allow. Also written <c>&amp;</c>.</summary>
    public Policy And(Policy other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new PairPolicy(this, other, isOr: false);
    }

    /// <summary>The types of row the policy speaks of. Empty: it is about the user alone and can guard an operation without a row.</summary>
    internal abstract IEnumerable<Type> RowTypes { get; }

    /// <summary>Every role the policy mentions, once.</summary>
    internal abstract IEnumerable<string> Roles { get; }

    /// <summary>Every permission the policy mentions, once.</summary>
    internal abstract IEnumerable<string> Permissions { get; }

    /// <summary>The members of the row that are equal to something about the user: those whose index makes "mine" fast.</summary>
    internal abstract IEnumerable<string> EqualityMembers { get; }

    /// <summary>The policy in words, for example <c>role staff or (order.customerId = user.id)</c>.</summary>
    internal abstract string Describe();

    /// <summary>What the policy still asks of a row when the user is known: <see cref="Predicate.Always"/>, <see cref="Predicate.Never"/>, or a condition.</summary>
    /// <param name="user">Who calls.</param>
    /// <param name="row">The type of the row, or null where there is none.</param>
    /// <exception cref="ConfigurationException">MST1308: the policy speaks of another row. Call <see cref="Check"/> at start-up to find it there.</exception>
    internal Predicate Resolve(User user, Type? row)
    {
        Check(row, "This operation");
        return user.IsSystem ? Predicate.Always : Resolve(user);
    }

    /// <summary>Refuses a policy that speaks of another row than the one it is used on.</summary>
    /// <param name="row">The type of the row, or null where there is none.</param>
    /// <param name="subject">What the policy is used on, as the beginning of a sentence: <c>Resource Order</c>, <c>POST /v1/orders</c>.</param>
    /// <exception cref="ConfigurationException">MST1308.</exception>
    internal void Check(Type? row, string subject)
    {
        foreach (var type in RowTypes)
        {
            if (row is null)
            {
                throw new ConfigurationException("MST1308",
                    $"{subject} is allowed by '{Describe()}', which asks about a row of {type.Name}, but there is no row to ask about. "
                    + "Use policies about the user here (Policy.Role, Policy.Permission, Policy.SignedIn), or move the row policy to the resource.");
            }

            if (!type.IsAssignableFrom(row))
            {
                throw new ConfigurationException("MST1308",
                    $"{subject} has rows of {row.Name} and is allowed by '{Describe()}', which asks about a row of {type.Name}. Write Policy.For<{row.Name}>(…).");
            }
        }
    }

    private protected abstract Predicate Resolve(User user);

    // In a longer sentence the words of a row policy stand in parentheses, and so does an "or" inside an "and".
    private protected virtual string DescribeInside(bool isOr) => Describe();

    private sealed class UserPolicy(string description, Func<User, bool> allows) : Policy
    {
        public string[] RoleNames { get; init; } = [];

        public string[] PermissionNames { get; init; } = [];

        internal override IEnumerable<Type> RowTypes => [];

        internal override IEnumerable<string> Roles => RoleNames;

        internal override IEnumerable<string> Permissions => PermissionNames;

        internal override IEnumerable<string> EqualityMembers => [];

        internal override string Describe() => description;

        private protected override Predicate Resolve(User user) => allows(user) ? Predicate.Always : Predicate.Never;
    }

    private sealed class RowPolicy(Type row, PolicyExpression rule) : Policy
    {
        internal override IEnumerable<Type> RowTypes => [row];

        internal override IEnumerable<string> Roles => rule.Roles;

        internal override IEnumerable<string> Permissions => rule.Permissions;

        internal override IEnumerable<string> EqualityMembers => rule.EqualityMembers;

        internal override string Describe() => rule.Description;

        private protected override Predicate Resolve(User user) => rule.For(user);

        private protected override string DescribeInside(bool isOr) => $"({Describe()})";
    }

    private sealed class PairPolicy(Policy left, Policy right, bool isOr) : Policy
    {
        internal override IEnumerable<Type> RowTypes => left.RowTypes.Union(right.RowTypes);

        internal override IEnumerable<string> Roles => left.Roles.Union(right.Roles);

        internal override IEnumerable<string> Permissions => left.Permissions.Union(right.Permissions);

        internal override IEnumerable<string> EqualityMembers => left.EqualityMembers.Union(right.EqualityMembers);

        internal override string Describe() => $"{left.DescribeInside(isOr)} {(isOr ? "or" : "and")} {right.DescribeInside(isOr)}";

        private protected override Predicate Resolve(User user) =>
            isOr ? Predicate.Or(left.Resolve(user), right.Resolve(user)) : Predicate.And(left.Resolve(user), right.Resolve(user));

        private protected override string DescribeInside(bool inOr) => isOr == inOr ? Describe() : $"({Describe()})";
    }
}
