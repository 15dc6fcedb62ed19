using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using System.Linq.Expressions;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>Reads the lambda of <see cref="Policy.For{T}"/> into something that gives a <see cref="Predicate"/> for each user.</summary>
/// <remarks>
/// The language is closed. What is listed here has one meaning in C# and in SQL; anything else is refused when the policy is declared, because
/// a rule that is true in one place and false in the other is a leak.
/// <code>
/// condition  a &amp;&amp; b   a || b   !a   true   row.Flag   row.X.HasValue   user.IsAuthenticated
///            side == side   !=   &lt;   &lt;=   &gt;   &gt;=
///            values.Contains(row.X)   values.Contains(user.Id)   row.X.StartsWith("constant")
///            user.HasRole("constant" or row.X)   user.HasPermission(…)   user.Roles.Contains(…)   user.Permissions.Contains(…)
/// side       row.X   row.X.Value   row.X.ToString()   user.Id   Id&lt;T&gt;.Parse(user.Id)   a constant or captured value
/// </code>
/// </remarks>
internal sealed class PolicyExpression
{
    // Longer lists belong in a table: they would travel with every query.
    private const int ValuesMax = 1000;

    private const string Supported =
        "Supported are ==, !=, <, <=, >, >=, &&, ||, ! over members of the row, constants, captured values and user.Id, tests for null, "
        + "values.Contains(row.X), row.X.StartsWith(\"…\"), user.HasRole(…) and user.HasPermission(…).";

    private readonly ParameterExpression row;
    private readonly ParameterExpression user;
    private readonly Condition condition;
    private readonly SortedSet<string> roles = new(StringComparer.Ordinal);
    private readonly SortedSet<string> permissions = new(StringComparer.Ordinal);
    private readonly List<string> equalityMembers = [];

    private PolicyExpression(LambdaExpression lambda)
    {
        row = lambda.Parameters[0];
        user = lambda.Parameters[1];
        condition = ReadCondition(lambda.Body, negated: false);
    }

    public IEnumerable<string> Roles => roles;

    public IEnumerable<string> Permissions => permissions;

    public IEnumerable<string> EqualityMembers => equalityMembers.Distinct();

    public string Description => condition.Text;

    public static PolicyExpression Read(LambdaExpression lambda) => new(lambda);

    public Predicate For(User user) => condition.For(user);

    /// <summary>A part that is true or false.</summary>
    private sealed record Condition(string Text, Func<User, Predicate> For, int Binding = Condition.Atom)
    {
        public const int Or = 0;
        public const int And = 1;
        public const int Atom = 2;

        public string Inside(int binding) => Binding < binding ? $"({Text})" : Text;
    }

    /// <summary>A part that has a value: of the row, of the user, or known now.</summary>
    private abstract record Side(string Text);

    private sealed record RowSide(RowMember Member, bool AsText, string Text) : Side(Text);

    private sealed record UserIdSide(Type? Parsed, string Text) : Side(Text);

    private sealed record ValueSide(object? Value) : Side(Describe(Value));

    private Condition ReadCondition(Expression expression, bool negated)
    {
        switch (expression)
        {
            case BinaryExpression { NodeType: ExpressionType.AndAlso } and:
                return And(ReadCondition(and.Left, negated), ReadCondition(and.Right, negated));

            case BinaryExpression { NodeType: ExpressionType.OrElse } or:
                return Or(ReadCondition(or.Left, negated), ReadCondition(or.Right, negated));

            case UnaryExpression { NodeType: ExpressionType.Not } not when not.Type == typeof(bool):
                return Not(ReadCondition(not.Operand, !negated));

            case BinaryExpression { NodeType: ExpressionType.Equal or ExpressionType.NotEqual } equality:
                return ReadEquality(equality, negated);

            case BinaryExpression { NodeType: ExpressionType.LessThan or ExpressionType.LessThanOrEqual or ExpressionType.GreaterThan or ExpressionType.GreaterThanOrEqual } order:
                return ReadOrder(order);

            case MethodCallExpression call:
                return ReadCall(call, negated);

            case MemberExpression member when IsUser(member.Expression) && member.Member.Name == nameof(User.IsAuthenticated):
                return OfUser("user is signed in", static user => user.IsAuthenticated);

            case MemberExpression { Member.Name: nameof(Nullable<>.HasValue) } test when test.Expression is not null && Nullable.GetUnderlyingType(test.Expression.Type) is not null:
                return ReadHasValue(test);

            case not null when expression.Type == typeof(bool) && expression is not BinaryExpression and not ConditionalExpression:
                return ReadSide(expression) switch
                {
                    RowSide side => OfRow(side.Text, new Predicate.Compare(side.Member, Comparison.Equal, true)),
                    ValueSide { Value: bool value } => value ? OfUser("true", static _ => true) : OfUser("false", static _ => false),
                    _ => throw Refuse(expression),
                };

            default:
                throw Refuse(expression!);
        }
    }

    private Condition ReadHasValue(MemberExpression test)
    {
        if (ReadSide(test.Expression!) is not RowSide { AsText: false } side)
            throw Refuse(test);
        return OfRow($"{side.Text} != null", Predicate.Not(new Predicate.IsNull(side.Member)));
    }

    private Condition ReadEquality(BinaryExpression equality, bool negated)
    {
        var isUnequal = equality.NodeType == ExpressionType.NotEqual;
        return ReadComparedCondition(equality, isUnequal, negated) ?? ReadEqualSides(equality, isUnequal, negated ^ isUnequal);
    }

    // row.Flag == true is a comparison like any other; (row.X > 5) == true is the condition itself.
    private Condition? ReadComparedCondition(BinaryExpression equality, bool isUnequal, bool negated)
    {
        if (equality.Left.Type != typeof(bool))
            return null;

        var (other, constant) = IsKnown(equality.Right) ? (equality.Left, equality.Right) : (equality.Right, equality.Left);
        if (!IsKnown(constant) || IsKnown(other) || IsRowMember(other))
            return null;

        var expected = (bool)CapturedValue.Of(constant, Refuse)! ^ isUnequal;
        return expected ? ReadCondition(other, negated) : Not(ReadCondition(other, !negated));
    }

    private Condition ReadEqualSides(BinaryExpression equality, bool isUnequal, bool negated)
    {
        var (left, right) = (ReadSide(equality.Left), ReadSide(equality.Right));
        if (left is ValueSide || (left is UserIdSide && right is RowSide))
            (left, right) = (right, left);

        switch (left, right)
        {
            case (RowSide { AsText: false } a, ValueSide { Value: null }):
                return Of(right.Text, new Predicate.IsNull(a.Member));

            case (RowSide a, ValueSide { Value: { } value }):
                var fitting = Fit(a, value, equality);
                return Of(a.AsText ? right.Text : Describe(fitting), new Predicate.Compare(a.Member, Comparison.Equal, RowMember.Normalize(fitting)!));

            case (RowSide a, RowSide b):
                CheckComparable(a, b, equality);
                return Of(right.Text, new Predicate.CompareMembers(a.Member, Comparison.Equal, b.Member));

            case (RowSide a, UserIdSide id):
                var parsed = a.AsText ? a.Member.Type : id.Parsed ?? typeof(string);
                if (a.Member.Type != parsed)
                    throw Refuse(equality, $"user.Id is compared as {Name(parsed)} with {a.Text}, which is {Name(a.Member.Type)}");
                if (!negated)
                    equalityMembers.Add(a.Member.Name);
                return OfUser(right.Text, user => UserId.As(parsed, user) is { } value ? new Predicate.Compare(a.Member, Comparison.Equal, value) : Predicate.Never);

            case (UserIdSide { Parsed: null }, ValueSide { Value: string value }):
                return OfUser(right.Text, user => user.IsAuthenticated && user.Id == value ? Predicate.Always : Predicate.Never);

            default:
                throw Refuse(equality, left is ValueSide ? "Neither side is a member of the row or of the user; compute it before, and capture the result" : null);
        }

        Condition Of(string rightText, Predicate predicate) => OfUser(rightText, _ => predicate);

        Condition OfUser(string rightText, Func<User, Predicate> equal) =>
            isUnequal ? new Condition($"{left.Text} != {rightText}", user => Predicate.Not(equal(user))) : new Condition($"{left.Text} = {rightText}", equal);
    }

    private Condition ReadOrder(BinaryExpression order)
    {
        var (left, right) = (ReadSide(order.Left), ReadSide(order.Right));
        var comparison = order.NodeType switch
        {
            ExpressionType.LessThan => Comparison.Less,
            ExpressionType.LessThanOrEqual => Comparison.LessOrEqual,
            ExpressionType.GreaterThan => Comparison.Greater,
            _ => Comparison.GreaterOrEqual,
        };

        if (left is not RowSide)
        {
            (left, right) = (right, left);
            comparison = comparison switch
            {
                Comparison.Less => Comparison.Greater,
                Comparison.LessOrEqual => Comparison.GreaterOrEqual,
                Comparison.Greater => Comparison.Less,
                _ => Comparison.LessOrEqual,
            };
        }

        if (left is not RowSide { AsText: false } member)
            throw Refuse(order);
        if (member.Member.Type.IsEnum)
            throw Refuse(order, "An enum is stored by name, and names have another order than numbers. List the values: new[] { … }.Contains(row.X)");

        var text = $"{left.Text} {Symbol(comparison)} {right.Text}";
        switch (right)
        {
            case ValueSide { Value: null }:
                return OfRow(text, Predicate.Never);

            case ValueSide { Value: { } value }:
                return OfRow(text, new Predicate.Compare(member.Member, comparison, RowMember.Normalize(Fit(member, value, order))!));

            case RowSide other:
                CheckComparable(member, other, order);
                return OfRow(text, new Predicate.CompareMembers(member.Member, comparison, other.Member));

            default:
                throw Refuse(order);
        }
    }

    private Condition ReadCall(MethodCallExpression call, bool negated)
    {
        if (IsUser(call.Object) && call.Method.Name is nameof(User.HasRole) or nameof(User.HasPermission) && call.Arguments.Count == 1)
            return ReadUserNames(call, call.Method.Name == nameof(User.HasRole), call.Arguments[0], negated);

        if (Contains.Match(call) is var (values, item))
        {
            if (values is MemberExpression names && IsUser(names.Expression) && names.Member.Name is nameof(User.Roles) or nameof(User.Permissions))
                return ReadUserNames(call, ((MemberExpression)values).Member.Name == nameof(User.Roles), item, negated);
            return ReadContains(call, values, item);
        }

        if (call.Method.DeclaringType == typeof(string) && call.Object is not null && call.Method.Name == nameof(string.StartsWith))
            return ReadStartsWith(call);

        throw Refuse(call, Instead(call));
    }

    private Condition ReadUserNames(MethodCallExpression call, bool areRoles, Expression name, bool negated)
    {
        var word = areRoles ? "role" : "permission";
        switch (ReadSide(name))
        {
            case ValueSide { Value: string value }:
                (areRoles ? roles : permissions).Add(value);
                return OfUser($"{word} {value}", user => Names(user).Contains(value));

            case RowSide { AsText: false } side when side.Member.Type == typeof(string):
                if (!negated)
                    equalityMembers.Add(side.Member.Name);
                return new Condition($"{side.Text} in user.{word}s", user => OneOf(side.Member, Names(user).Where(Text.IsStorable).Order(StringComparer.Ordinal)));

            default:
                throw Refuse(call, $"The {word} is a constant text or a text member of the row");
        }

        IReadOnlySet<string> Names(User user) => areRoles ? user.Roles : user.Permissions;
    }

    private Condition ReadContains(MethodCallExpression call, Expression list, Expression item)
    {
        if (!IsKnown(list))
            throw Refuse(call, "The list is a captured one; lists in the row or of the user other than Roles and Permissions are not");

        var values = Contains.Values(CapturedValue.Of(list, Refuse), reason => Refuse(call, reason));
        if (values.Count > ValuesMax)
            throw Refuse(call, $"The list has {values.Count} values, at most {ValuesMax} can travel with every query. Keep them in a table and store the answer in the row");

        switch (ReadSide(item))
        {
            case RowSide { AsText: false } side:
                var fitting = values.OfType<object>().Select(value => Fit(side, value, call)).ToList();
                var text = $"{side.Text} in ({string.Join(", ", values.Select(Describe))})";
                var predicate = OneOf(side.Member, fitting.Select(value => RowMember.Normalize(value)!));
                return OfRow(text, fitting.Count < values.Count ? Predicate.Or(predicate, new Predicate.IsNull(side.Member)) : predicate);

            case UserIdSide { Parsed: null }:
                var ids = values.OfType<string>().ToHashSet(StringComparer.Ordinal);
                return OfUser($"user.id in ({string.Join(", ", values.Select(Describe))})", user => user.IsAuthenticated && ids.Contains(user.Id));

            default:
                throw Refuse(call, "The searched value is a member of the row or user.Id");
        }
    }

    private Condition ReadStartsWith(MethodCallExpression call)
    {
        if (ReadSide(call.Object!) is not RowSide { AsText: false } side)
            throw Refuse(call, "StartsWith is asked of a text member of the row");

        var arguments = call.Arguments;
        var isOrdinal = arguments.Count == 1 || (arguments.Count == 2 && arguments[1] is ConstantExpression { Value: StringComparison.Ordinal });
        if (!isOrdinal)
            throw Refuse(call, "Texts are compared character by character: leave the second argument out or write StringComparison.Ordinal. For other comparisons store a normalized copy in the row");
        if (!IsKnown(arguments[0]) || CapturedValue.Of(arguments[0], Refuse) is not { } prefix)
            throw Refuse(call, "The beginning is a constant text");

        var text = prefix.ToString()!;
        if (!Text.IsStorable(text))
            throw Refuse(call, "The text has a NUL or half a surrogate pair, which no column can hold");
        return OfRow($"{side.Text} starts with {Describe(text)}", new Predicate.StartsWith(side.Member, text));
    }

    private Side ReadSide(Expression expression)
    {
        if (IsKnown(expression))
            return new ValueSide(CapturedValue.Of(expression, Refuse));

        switch (expression)
        {
            case UnaryExpression { NodeType: ExpressionType.Convert or ExpressionType.ConvertChecked } conversion:
                var side = ReadSide(conversion.Operand);
                return side is RowSide { AsText: false } converted && KeepsValue(converted.Member, conversion.Type)
                    ? side
                    : throw Refuse(conversion, $"The conversion to {Name(conversion.Type)} can change the value");

            case MemberExpression { Member.Name: nameof(Nullable<>.Value) } value when value.Expression is not null && Nullable.GetUnderlyingType(value.Expression.Type) is not null:
                return ReadSide(value.Expression);

            case MemberExpression member when member.Expression == row || (member.Expression is UnaryExpression { NodeType: ExpressionType.Convert } cast && cast.Operand == row):
                return ReadMember(member);

            case MemberExpression member when IsUser(member.Expression) && member.Member.Name == nameof(User.Id):
                return new UserIdSide(null, "user.id");

            case MethodCallExpression { Method.Name: nameof(ToString), Arguments.Count: 0, Object: { } target } when ReadSide(target) is RowSide { AsText: false } text:
                return text.Member.Type == typeof(string) || UserId.CanBe(text.Member.Type)
                    ? text with { AsText = text.Member.Type != typeof(string) }
                    : throw Refuse(expression, $"{Name(text.Member.Type)} has no text form that the database shares");

            case MethodCallExpression { Method: { Name: "Parse", IsStatic: true }, Arguments: [var argument] } call when ReadSideOrNull(argument) is UserIdSide { Parsed: null } && UserId.CanBe(call.Method.DeclaringType!):
                return new UserIdSide(call.Method.DeclaringType, "user.id");

            default:
                throw Refuse(expression, expression is MethodCallExpression other ? Instead(other) : null);
        }
    }

    // Id<T>.Parse may take a span made of the text.
    private Side? ReadSideOrNull(Expression argument)
    {
        var text = argument is MethodCallExpression { Method.Name: "op_Implicit", Arguments: [var inner] } ? inner : argument is UnaryExpression { NodeType: ExpressionType.Convert } cast ? cast.Operand : argument;
        return text is MemberExpression member && IsUser(member.Expression) ? ReadSide(text) : null;
    }

    private RowSide ReadMember(MemberExpression expression)
    {
        // The member as the row has it, so that an inherited one is found under the row's own name for it.
        var member = new RowMember(expression.Member);
        if (!RowMember.CanCompare(member.Type))
        {
            throw Refuse(expression, member.Type switch
            {
                _ when member.Type == typeof(double) || member.Type == typeof(float) => "Floating-point numbers compare differently in C# and in SQL. Use decimal",
                _ when member.Type == typeof(DateTime) => "DateTime does not say which instant it is. Use DateTimeOffset or DateOnly",
                _ when member.Type.IsEnum => "A set of flags is not one value. Use one bool per flag",
                _ => $"{Name(member.Type)} is not a single column value that can be compared. Repeat the needed value in the row, or guard the other row by its own policy",
            });
        }

        return new RowSide(member, AsText: false, $"{JsonNamingPolicy.CamelCase.ConvertName(row.Type.Name)}.{JsonNamingPolicy.CamelCase.ConvertName(member.Name)}");
    }

    // A known value as the member's type: enums arrive as numbers, ids as texts.
    private object Fit(RowSide side, object value, Expression expression)
    {
        var type = side.Member.Type;
        if (side.AsText)
        {
            return value is string text && UserId.Parse(type, text) is { } parsed
                ? parsed
                : throw Refuse(expression, $"{Describe(value)} is not the text of a {Name(type)}, so nothing would ever be equal to it");
        }

        if (type.IsEnum)
        {
            var member = Enum.ToObject(type, value);
            return Enum.IsDefined(type, member) ? member : throw Refuse(expression, $"{value} is no member of {type.Name}, so nothing would ever be equal to it");
        }

        if (value is string unstorable && !Text.IsStorable(unstorable))
            throw Refuse(expression, "The text has a NUL or half a surrogate pair, which no column can hold");
        return value.GetType() == type || (side.Member.IsNumber && RowMember.IsNumberType(value.GetType()))
            ? value
            : throw Refuse(expression, $"{side.Text} is {Name(type)} and is compared with {Name(value.GetType())}");
    }

    private void CheckComparable(RowSide left, RowSide right, Expression expression)
    {
        var comparable = !left.AsText && !right.AsText && (left.Member.Type == right.Member.Type || (left.Member.IsNumber && right.Member.IsNumber));
        if (!comparable)
            throw Refuse(expression, $"{left.Text} is {Name(left.Member.Type)} and {right.Text} is {Name(right.Member.Type)}");
    }

    private bool IsUser(Expression? expression) => expression == user;

    private bool IsRowMember(Expression expression) => expression is MemberExpression member && (member.Expression == row || (member.Member.Name == nameof(Nullable<>.Value) && member.Expression is MemberExpression inner && inner.Expression == row));

    // Known now: it mentions neither the row nor the user.
    private bool IsKnown(Expression expression) => !Mentions.Any(expression, row, user);

    private static bool KeepsValue(RowMember member, Type target)
    {
        var type = Nullable.GetUnderlyingType(target) ?? target;
        return type == member.Type
            || (member.Type.IsEnum && type == Enum.GetUnderlyingType(member.Type))
            || (member.IsNumber && RowMember.IsNumberType(type) && Rank(type) > Rank(member.Type));

        static int Rank(Type number) => number == typeof(short) ? 0 : number == typeof(int) ? 1 : number == typeof(long) ? 2 : 3;
    }

    private static Predicate OneOf(RowMember member, IEnumerable<object> values)
    {
        var distinct = values.Distinct().ToImmutableArray();
        return distinct.Length switch
        {
            0 => Predicate.Never,
            1 => new Predicate.Compare(member, Comparison.Equal, distinct[0]),
            _ => new Predicate.In(member, distinct),
        };
    }

    private static Condition And(Condition left, Condition right) =>
        new($"{left.Inside(Condition.And)} and {right.Inside(Condition.And)}", user => Predicate.And(left.For(user), right.For(user)), Condition.And);

    private static Condition Or(Condition left, Condition right) =>
        new($"{left.Inside(Condition.Or)} or {right.Inside(Condition.Or)}", user => Predicate.Or(left.For(user), right.For(user)), Condition.Or);

    private static Condition Not(Condition part) => new($"not ({part.Text})", user => Predicate.Not(part.For(user)));

    private static Condition OfRow(string text, Predicate predicate) => new(text, _ => predicate);

    private static Condition OfUser(string text, Func<User, bool> allows) => new(text, user => allows(user) ? Predicate.Always : Predicate.Never);

    private static string Symbol(Comparison comparison) => comparison switch
    {
        Comparison.Equal => "=",
        Comparison.Less => "<",
        Comparison.LessOrEqual => "<=",
        Comparison.Greater => ">",
        _ => ">=",
    };

    private static string Describe(object? value) => value switch
    {
        null => "null",
        string text => $"'{text}'",
        bool flag => flag ? "true" : "false",
        Enum member => JsonNamingPolicy.CamelCase.ConvertName(member.ToString()),
        DateTimeOffset instant => instant.ToString("O", CultureInfo.InvariantCulture),
        IFormattable other => other.ToString(null, CultureInfo.InvariantCulture),
        IEnumerable => "a list",
        _ => value.ToString() ?? "",
    };

    private static string Name(Type type) => (Nullable.GetUnderlyingType(type) ?? type) is var plain && IId.OwnerOf(plain) is { } owner ? $"Id<{owner.Name}>" : plain.Name;

    // What to write instead of the calls people try first.
    private static string? Instead(MethodCallExpression call) => call.Method.Name switch
    {
        nameof(Equals) => "Write ==, which compares texts character by character",
        nameof(string.Compare) or nameof(string.CompareOrdinal) or nameof(IComparable.CompareTo) => "The order of texts depends on the collation of the database. Compare numbers, times or ids",
        nameof(string.IsNullOrEmpty) or nameof(string.IsNullOrWhiteSpace) => "Write row.X == null || row.X == \"\"",
        nameof(string.ToLower) or nameof(string.ToUpper) or nameof(string.ToLowerInvariant) or nameof(string.ToUpperInvariant) or nameof(string.Trim) =>
            "Store the normalized text in the row and compare with that",
        nameof(string.EndsWith) or nameof(string.Contains) when call.Method.DeclaringType == typeof(string) => "Only StartsWith can use an index. Store what the rule needs in a member of its own",
        "Any" or "All" or "Count" => "A policy reads one row and asks lists only whether they contain a value: values.Contains(row.X). Store the answer in the row, or guard the other rows by their own policy",
        "GetValueOrDefault" => "Test row.X == null, or compare row.X itself: null is equal to no value",
        _ => null,
    };

    private ConfigurationException Refuse(Expression part) => Refuse(part, null);

    private ConfigurationException Refuse(Expression part, string? reason)
    {
        reason ??= part switch
        {
            ConditionalExpression => "Write condition && a || !condition && b",
            BinaryExpression { NodeType: ExpressionType.Coalesce } => "Compare with null: row.X == null || row.X == value",
            BinaryExpression { NodeType: ExpressionType.And or ExpressionType.Or } => "Write && and ||",
            BinaryExpression { NodeType: ExpressionType.Add or ExpressionType.Subtract or ExpressionType.Multiply or ExpressionType.Divide or ExpressionType.Modulo } =>
                "Calculations overflow and round differently in C# and in SQL. Store the result in the row",
            MemberExpression member when IsUser(member.Expression) => "Of the user, Id, Roles, Permissions, IsAuthenticated, HasRole and HasPermission are read",
            MemberExpression => "Only members of the row itself are columns. Repeat the needed value in the row",
            InvocationExpression => "The function cannot become SQL. Write its expression here",
            _ => "It has no SQL with the same meaning",
        };
        return new ConfigurationException("MST1301", $"The policy Policy.For<{row.Type.Name}> cannot use '{part}'. {reason}. {Supported}");
    }
}
