namespace Mainstay;

/// <summary>Who calls: the person, service or key that the request was authenticated as. Policies are decided about it, and it is what the audit records.</summary>
/// <remarks>Immutable. Names of roles and permissions are compared exactly, letter case included.</remarks>
public sealed record User
{
    private static readonly IReadOnlySet<string> none = new HashSet<string>();

    /// <summary>Creates a caller that has proved who it is, for example <c>new User("cus_1", roles: ["customer"])</c>.</summary>
    /// <param name="id">The stable id that rows store to say whose they are. Never an e-mail address or a name, which change hands.</param>
    /// <param name="roles">See <see cref="Roles"/>.</param>
    /// <param name="permissions">See <see cref="Permissions"/>.</param>
    public User(string id, IEnumerable<string>? roles = null, IEnumerable<string>? permissions = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(id);
        Id = id;
        Roles = roles is null ? none : Copy(roles);
        Permissions = permissions is null ? none : Copy(permissions);
    }

    private User()
    {
        Id = "";
        Roles = none;
        Permissions = none;
    }

    /// <summary>A caller that has proved nothing. It has no id, no roles and no permissions, and is the owner of no row.</summary>
    public static User Anonymous { get; } = new();

    /// <summary>The stable id that rows store to say whose they are. Empty for <see cref="Anonymous"/>.</summary>
    public string Id { get; }

    /// <summary>The roles the caller has, for example <c>staff</c>. The set is copied.</summary>
    public IReadOnlySet<string> Roles { get; init => field = Copy(value); }

    /// <summary>The permissions the caller has, for example <c>orders.read</c>, those of its roles included. The set is copied.</summary>
    public IReadOnlySet<string> Permissions { get; init => field = Copy(value); }

    /// <summary>Whether the caller has proved who it is.</summary>
    public bool IsAuthenticated => Id.Length > 0;

    /// <summary>Why the framework itself acts, for example <c>job reorder low stock</c>. Null for callers from outside.</summary>
    internal string? SystemReason { get; private init; }

    /// <summary>Whether this is the framework itself, which every policy lets pass.</summary>
    internal bool IsSystem => SystemReason is not null;

    /// <summary>The framework itself in background work, where no caller is behind an effect. Every policy lets it pass, so the audit records the reason. Not reachable by the application: there is nothing to be confused with a request.</summary>
    internal static User System(string reason)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reason);
        return new User("system") { SystemReason = reason };
    }

    /// <summary>Whether the caller has this role.</summary>
    public bool HasRole(string role) => Roles.Contains(role);

    /// <summary>Whether the caller has this permission.</summary>
    public bool HasPermission(string permission) => Permissions.Contains(permission);

    /// <summary>Users are equal when id, roles and permissions are.</summary>
    public bool Equals(User? other) =>
        other is not null && Id == other.Id && SystemReason == other.SystemReason && Roles.SetEquals(other.Roles) && Permissions.SetEquals(other.Permissions);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Id, SystemReason, Roles.Count, Permissions.Count);

    /// <summary>The id, or who it is instead. Roles and permissions are left out of logs.</summary>
    public override string ToString() => SystemReason is { } reason ? $"system ({reason})" : IsAuthenticated ? Id : "anonymous";

    // Copied with the ordinal comparer: a set of the caller could change after the decision, or find 'Staff' for 'staff'.
    private static HashSet<string> Copy(IEnumerable<string> names) => new(names, StringComparer.Ordinal);
}
