using System.Collections.Immutable;

namespace Mainstay.Internal;

/// <summary>How a <see cref="Predicate.Compare"/> compares. "Not equal" is the negation of equal, as in C#.</summary>
internal enum Comparison
{
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// <summary>A condition on a row: what is left of a policy once everything about the user is known.</summary>
/// <remarks>
/// Closed: these are all the kinds, and each has two meanings that must agree, <see cref="Holds"/> in memory and <c>PredicateSql</c> in the
/// database. Both are two-valued. Null equals null, differs from everything else, and orders before and after nothing.
/// </remarks>
internal abstract record Predicate
{
    public static readonly Predicate Always = new Constant(true);
    public static readonly Predicate Never = new Constant(false);

    private Predicate()
    {
    }

    /// <summary>Whether the row meets the condition.</summary>
    public abstract bool Holds(object row);

    public static Predicate And(params ReadOnlySpan<Predicate> parts) => Combine(parts, absorbing: Never, neutral: Always, static part => (part as All)?.Parts, static parts => new All(parts));

    public static Predicate Or(params ReadOnlySpan<Predicate> parts) => Combine(parts, absorbing: Always, neutral: Never, static part => (part as Any)?.Parts, static parts => new Any(parts));

    public static Predicate Not(Predicate part) => part switch
    {
        Constant constant => constant.Value ? Never : Always,
        Negation negation => negation.Part,
        _ => new Negation(part),
    };

    // Constants disappear, and nested parts of the same kind become one list, so that the SQL has no more parentheses than a person would write.
    private static Predicate Combine(
        ReadOnlySpan<Predicate> parts, Predicate absorbing, Predicate neutral, Func<Predicate, ImmutableArray<Predicate>?> nested, Func<ImmutableArray<Predicate>, Predicate> combined)
    {
        var kept = ImmutableArray.CreateBuilder<Predicate>(parts.Length);
        foreach (var part in parts)
        {
            if (part == absorbing)
                return absorbing;
            if (part == neutral)
                continue;
            if (nested(part) is { } inner)
                kept.AddRange(inner);
            else
                kept.Add(part);
        }

        return kept.Count switch { 0 => neutral, 1 => kept[0], _ => combined(kept.ToImmutable()) };
    }

    public sealed record Constant(bool Value) : Predicate
    {
        public override bool Holds(object row) => Value;
    }

    public sealed record All(ImmutableArray<Predicate> Parts) : Predicate
    {
        public override bool Holds(object row)
        {
            foreach (var part in Parts)
            {
                if (!part.Holds(row))
                    return false;
            }

            return true;
        }
    }

    public sealed record Any(ImmutableArray<Predicate> Parts) : Predicate
    {
        public override bool Holds(object row)
        {
            foreach (var part in Parts)
            {
                if (part.Holds(row))
                    return true;
            }

            return false;
        }
    }

    public sealed record Negation(Predicate Part) : Predicate
    {
        public override bool Holds(object row) => !Part.Holds(row);
    }

    public sealed record IsNull(RowMember Member) : Predicate
    {
        public override bool Holds(object row) => Member.Read(row) is null;
    }

    /// <summary>A member against a value that is not null.</summary>
    public sealed record Compare(RowMember Member, Comparison Comparison, object Value) : Predicate
    {
        public override bool Holds(object row) => Member.Read(row) is { } value && Meets(Comparison, value, Value);
    }

    /// <summary>A member against another member of the same row.</summary>
    public sealed record CompareMembers(RowMember Left, Comparison Comparison, RowMember Right) : Predicate
    {
        public override bool Holds(object row) => (Left.Read(row), Right.Read(row)) switch
        {
            (null, null) => Comparison == Comparison.Equal,
            ({ } left, { } right) => Meets(Comparison, left, right),
            _ => false,
        };
    }

    /// <summary>A member is one of several values, none of them null; there is at least one.</summary>
    public sealed record In(RowMember Member, ImmutableArray<object> Values) : Predicate
    {
        public override bool Holds(object row)
        {
            if (Member.Read(row) is not { } value)
                return false;

            foreach (var candidate in Values)
            {
                if (Meets(Comparison.Equal, value, candidate))
                    return true;
            }

            return false;
        }
    }

    /// <summary>A text starts with these characters, compared one by one. No text starts with anything.</summary>
    public sealed record StartsWith(RowMember Member, string Prefix) : Predicate
    {
        public override bool Holds(object row) => Member.Read(row) is string text && text.StartsWith(Prefix, StringComparison.Ordinal);
    }

    private static bool Meets(Comparison comparison, object left, object right)
    {
        if (left.GetType() != right.GetType())
        {
            // Only numbers are compared across types. Every short, int and long is a decimal.
            left = Convert.ToDecimal(left, null);
            right = Convert.ToDecimal(right, null);
        }

        if (comparison == Comparison.Equal)
            return left.Equals(right);

        // Text has no order here: the database's depends on its collation.
        var order = ((IComparable)left).CompareTo(right);
        return comparison switch
        {
            Comparison.Less => order < 0,
            Comparison.LessOrEqual => order <= 0,
            Comparison.Greater => order > 0,
            _ => order >= 0,
        };
    }
}
