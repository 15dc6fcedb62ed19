using System.Linq.Expressions;

namespace Mainstay.Tests;

public enum ItemStatus { Draft, InTransit, Done }

public sealed record Owner;

/// <summary>A row with every type of column that policies compare, each with and without null.</summary>
public sealed record Item
{
    public string? Text { get; init; }
    public string? OtherText { get; init; }
    public bool Flag { get; init; }
    public bool? FlagMaybe { get; init; }
    public short Small { get; init; }
    public short? SmallMaybe { get; init; }
    public int Number { get; init; }
    public int? NumberMaybe { get; init; }
    public long Big { get; init; }
    public long? BigMaybe { get; init; }
    public decimal Price { get; init; }
    public decimal? PriceMaybe { get; init; }
    public ItemStatus Status { get; init; }
    public ItemStatus? StatusMaybe { get; init; }
    public Id<Owner> Owner { get; init; }
    public Id<Owner>? OwnerMaybe { get; init; }
    public Guid Uuid { get; init; }
    public Guid? UuidMaybe { get; init; }
    public DateTimeOffset At { get; init; }
    public DateTimeOffset? AtMaybe { get; init; }
    public DateOnly Day { get; init; }
    public DateOnly? DayMaybe { get; init; }
    public TimeOnly Time { get; init; }
    public TimeOnly? TimeMaybe { get; init; }
    public TimeSpan Span { get; init; }
    public TimeSpan? SpanMaybe { get; init; }
}

/// <summary>Random rows, users and rules of everything the language of policies can say. Few distinct values, so that equalities hold often.</summary>
public sealed class RandomPolicies(Random random)
{
    private static readonly Guid uuidOne = new("01890a5d-ac96-774b-bcce-b302099a8057");
    private static readonly Guid uuidTwo = new("f1890a5d-0c96-774b-8cce-b302099a8057");
    private static readonly DateTimeOffset noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset old = new(1969, 7, 20, 20, 17, 40, TimeSpan.Zero);

    private static readonly Dictionary<Type, Array> pools = new()
    {
        [typeof(string)] = new[] { "", "a", "A", "ab", "a%", "a_", "a\\", "ä", "a\u0308", "😀", "usr_1", "'; drop", Id<Owner>.From(uuidOne).ToString(), uuidOne.ToString(), "7" },
        [typeof(bool)] = new[] { true, false },
        [typeof(short)] = new short[] { -1, 0, 7, short.MaxValue },
        [typeof(int)] = new[] { -1, 0, 7, int.MinValue, short.MaxValue },
        [typeof(long)] = new[] { -1L, 0L, 7L, long.MaxValue, int.MinValue },
        [typeof(decimal)] = new[] { -1m, 0m, 7.00m, 7.5m, 0.000000000000000001m, 79228162514264337593543950335m },
        [typeof(ItemStatus)] = Enum.GetValues<ItemStatus>(),
        [typeof(Guid)] = new[] { uuidOne, uuidTwo, Guid.Empty },
        [typeof(Id<Owner>)] = new[] { Id<Owner>.From(uuidOne), Id<Owner>.From(uuidTwo), default },
        // The same microsecond in different ticks and offsets, on both sides of the epochs of .NET, Unix and PostgreSQL.
        [typeof(DateTimeOffset)] = new[] { noon, noon.AddTicks(3), noon.AddTicks(10), noon.ToOffset(TimeSpan.FromHours(2)), old, old.AddTicks(9), old.AddTicks(-1), DateTimeOffset.UnixEpoch },
        [typeof(DateOnly)] = new[] { new DateOnly(2026, 3, 1), new DateOnly(1969, 7, 20) },
        [typeof(TimeOnly)] = new[] { TimeOnly.MinValue, new TimeOnly(12, 0), new TimeOnly(12, 0).Add(TimeSpan.FromTicks(4)), TimeOnly.MaxValue },
        [typeof(TimeSpan)] = new[] { TimeSpan.Zero, TimeSpan.FromTicks(-15), TimeSpan.FromTicks(-10), TimeSpan.FromDays(40), TimeSpan.FromHours(25) },
    };

    private static readonly User[] users =
    [
        User.Anonymous, new User("usr_1", roles: ["a", "staff"]), new User(Id<Owner>.From(uuidOne).ToString(), permissions: ["ab", "a%"]),
        new User(uuidOne.ToString(), roles: ["A"]), new User("7", roles: ["bad\0role", "a_", ""]), new User("bad\ud800"), new User("a", permissions: ["read"]),
    ];

    private static readonly System.Reflection.PropertyInfo[] columns = typeof(Item).GetProperties();
    private static readonly Type[] numbers = [typeof(short), typeof(int), typeof(long), typeof(decimal)];

    private readonly ParameterExpression row = Expression.Parameter(typeof(Item), "item");
    private readonly ParameterExpression user = Expression.Parameter(typeof(User), "user");

    public User Caller() => Pick(users);

    public Item Row()
    {
        var item = new Item();
        var nulls = Pick([0.0, 0.3, 0.3, 1.0]);
        foreach (var column in columns)
            column.SetValue(item, IsNullable(column.PropertyType) && random.NextDouble() < nulls ? null : Value(Plain(column.PropertyType)));
        return item;
    }

    public Expression<Func<Item, User, bool>> Rule() => Lambda(Condition(random.Next(5)));

    public Expression<Func<Item, User, bool>> Lambda(Expression body) => Expression.Lambda<Func<Item, User, bool>>(body, row, user);

    private Expression Condition(int depth) => depth == 0 ? Atom() : random.Next(8) switch
    {
        0 or 1 or 2 => Expression.AndAlso(Condition(depth - 1), Condition(depth - 1)),
        3 or 4 or 5 => Expression.OrElse(Condition(depth - 1), Condition(depth - 1)),
        6 => Expression.Not(Condition(depth - 1)),
        _ => Expression.MakeBinary(Pick([ExpressionType.Equal, ExpressionType.NotEqual]), Condition(depth - 1), Expression.Constant(random.Next(2) == 0)),
    };

    private Expression Atom() => random.Next(12) switch
    {
        0 or 1 or 2 => ComparedWithValue(),
        3 or 4 => ComparedWithColumn(),
        5 or 6 => InValues(),
        7 => StartsWith(),
        8 => Flag(),
        9 => HasValue(),
        10 => ComparedWithUser(),
        _ => OfUser(),
    };

    private BinaryExpression ComparedWithValue()
    {
        Expression column = Column(_ => true);
        var type = column.Type;
        var value = IsNullable(type) && random.Next(4) == 0 ? null : Value(Plain(type));
        Expression constant = Expression.Constant(value, type);

        if (numbers.Contains(Plain(type)) && random.Next(3) == 0)
        {
            // As the compiler does for row.Small == 5: the column is widened to the constant's type.
            type = Wider(type);
            (column, constant) = (Expression.Convert(column, type), Expression.Constant(value is null ? null : Convert.ChangeType(value, Plain(type), null), type));
        }

        return Compared(column, constant);
    }

    private BinaryExpression ComparedWithColumn()
    {
        var left = Column(_ => true);
        var right = Column(type => Plain(type) == Plain(left.Type) || (numbers.Contains(Plain(type)) && numbers.Contains(Plain(left.Type))));
        var plain = Array.IndexOf(numbers, Plain(left.Type)) > Array.IndexOf(numbers, Plain(right.Type)) ? Plain(left.Type) : Plain(right.Type);
        var isLifted = plain.IsValueType && (IsNullable(left.Type) || IsNullable(right.Type));
        var type = isLifted ? typeof(Nullable<>).MakeGenericType(plain) : plain;
        return Compared(As(left, type), As(right, type));
    }

    private BinaryExpression Compared(Expression left, Expression right)
    {
        var plain = Plain(left.Type);
        var hasOrder = plain != typeof(string) && plain != typeof(bool) && !plain.IsEnum;
        var comparison = !hasOrder || random.Next(2) == 0
            ? Pick([ExpressionType.Equal, ExpressionType.NotEqual])
            : Pick([ExpressionType.LessThan, ExpressionType.LessThanOrEqual, ExpressionType.GreaterThan, ExpressionType.GreaterThanOrEqual]);
        if (plain.IsEnum)
        {
            var number = IsNullable(left.Type) ? typeof(int?) : typeof(int);
            (left, right) = (Expression.Convert(left, number), Expression.Convert(right, number));
        }

        return random.Next(2) == 0 ? Expression.MakeBinary(comparison, left, right) : Expression.MakeBinary(comparison, right, left);
    }

    private MethodCallExpression InValues()
    {
        var column = Column(_ => true);
        var values = Array.CreateInstance(column.Type, random.Next(5));
        for (var i = 0; i < values.Length; i++)
            values.SetValue(IsNullable(column.Type) && random.Next(5) == 0 ? null : Value(Plain(column.Type)), i);
        return Expression.Call(typeof(Enumerable), nameof(Enumerable.Contains), [column.Type], Expression.Constant(values), column);
    }

    private MethodCallExpression StartsWith()
    {
        var column = Column(type => type == typeof(string));
        var prefix = Expression.Constant(Value(typeof(string)));
        return random.Next(3) switch
        {
            0 => Expression.Call(column, nameof(string.StartsWith), [], prefix),
            1 => Expression.Call(column, nameof(string.StartsWith), [], prefix, Expression.Constant(StringComparison.Ordinal)),
            _ => Expression.Call(column, nameof(string.StartsWith), [], Expression.Constant('a')),
        };
    }

    private MemberExpression Flag() => random.Next(2) == 0
        ? Expression.Property(row, nameof(Item.Flag))
        : Expression.Property(Expression.Property(row, nameof(Item.FlagMaybe)), "Value");

    private MemberExpression HasValue() => Expression.Property(Column(type => Nullable.GetUnderlyingType(type) is not null), "HasValue");

    private BinaryExpression ComparedWithUser()
    {
        var id = Expression.Property(user, nameof(User.Id));
        var column = Column(type => Plain(type) is var plain && (plain == typeof(string) || plain == typeof(Id<Owner>) || plain == typeof(Guid) || plain == typeof(short) || plain == typeof(int) || plain == typeof(long)));
        Expression text = column.Type == typeof(string) ? column : Expression.Call(column, column.Type.GetMethod(nameof(ToString), [])!);
        return Expression.MakeBinary(Pick([ExpressionType.Equal, ExpressionType.NotEqual]), text, id);
    }

    private Expression OfUser()
    {
        var names = Pick([nameof(User.Roles), nameof(User.Permissions)]);
        Expression name = random.Next(2) == 0 ? Expression.Constant(Value(typeof(string))) : Column(type => type == typeof(string));
        return random.Next(4) switch
        {
            0 => Expression.Property(user, nameof(User.IsAuthenticated)),
            1 => Expression.Call(user, nameof(User.HasRole), [], name),
            _ => Expression.Call(Expression.Property(user, names), typeof(IReadOnlySet<string>).GetMethod("Contains")!, name),
        };
    }

    private MemberExpression Column(Func<Type, bool> fits) => Expression.Property(row, Pick(columns.Where(column => fits(column.PropertyType)).ToArray()));

    private object Value(Type plain) => pools[plain].GetValue(random.Next(pools[plain].Length))!;

    private T Pick<T>(T[] values) => values[random.Next(values.Length)];

    private static Expression As(Expression expression, Type type) => expression.Type == type ? expression : Expression.Convert(expression, type);

    private Type Wider(Type type)
    {
        var wider = numbers[random.Next(Array.IndexOf(numbers, Plain(type)), numbers.Length)];
        return IsNullable(type) ? typeof(Nullable<>).MakeGenericType(wider) : wider;
    }

    private static Type Plain(Type type) => Nullable.GetUnderlyingType(type) ?? type;

    private static bool IsNullable(Type type) => !type.IsValueType || Nullable.GetUnderlyingType(type) is not null;
}
