using System.Text;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Writes a <see cref="Predicate"/> as SQL.</summary>
/// <remarks>
/// SQL has three truth values and C# two, so every condition has two translations and <c>not</c> is never written around one that can be null:
/// <code>
/// T(e)  is true exactly where C# says true         T(not e) = F(e)    T(a and b) = T(a) and T(b)    T(a or b) = T(a) or T(b)
/// F(e)  is true exactly where C# says false        F(not e) = T(e)    F(a and b) = F(a) or F(b)     F(a or b) = F(a) and F(b)
/// </code>
/// Where C# says the opposite, a translation is false or null; a <c>where</c> clause treats both alike. So a positive equality stays a plain
/// <c>=</c> that an index answers, and only the rarer "false" forms pay for nulls.
/// </remarks>
internal static class PredicateSql
{
    /// <summary>Appends T(predicate). Values become positional parameters, <c>$1</c> being the first in the list.</summary>
    /// <param name="predicate">The condition.</param>
    /// <param name="alias">What the row's table is called in the statement; empty when columns need no prefix.</param>
    /// <param name="column">From a member's name to its quoted column.</param>
    /// <param name="text">Where the SQL goes, in parentheses where it has parts.</param>
    /// <param name="parameters">Where the values go, behind those already there.</param>
    public static void Write(Predicate predicate, string alias, Func<string, string> column, StringBuilder text, List<NpgsqlParameter> parameters) =>
        new Writer(alias, column, text, parameters).Write(predicate, expected: true);

    private readonly struct Writer(string alias, Func<string, string> column, StringBuilder text, List<NpgsqlParameter> parameters)
    {
        /// <summary>Writes T(predicate) when true is expected, F(predicate) when false is.</summary>
        public void Write(Predicate predicate, bool expected)
        {
            switch (predicate)
            {
                case Predicate.Constant constant:
                    text.Append(constant.Value == expected ? "true" : "false");
                    break;
                case Predicate.Negation negation:
                    Write(negation.Part, !expected);
                    break;
                case Predicate.All all:
                    WriteParts(all.Parts.AsSpan(), expected ? " and " : " or ", expected);
                    break;
                case Predicate.Any any:
                    WriteParts(any.Parts.AsSpan(), expected ? " or " : " and ", expected);
                    break;
                case Predicate.IsNull test:
                    text.Append($"{Column(test.Member)} {(expected ? "is null" : "is not null")}");
                    break;
                case Predicate.Compare { Value: bool value } flag:
                    WriteFlag(flag.Member, value, expected);
                    break;
                case Predicate.Compare { Comparison: Comparison.Equal } equal:
                    text.Append($"{Column(equal.Member)} {(expected ? "=" : "is distinct from")} {Parameter(equal.Value, equal.Value.GetType())}");
                    break;
                case Predicate.Compare order:
                    WriteOrder(Column(order.Member), order.Comparison, Parameter(order.Value, order.Value.GetType()), order.Member.IsNullable, expected);
                    break;
                case Predicate.CompareMembers { Comparison: Comparison.Equal } equal:
                    WriteEqualMembers(equal.Left, equal.Right, expected);
                    break;
                case Predicate.CompareMembers order:
                    WriteOrder(Column(order.Left), order.Comparison, Column(order.Right), order.Left.IsNullable || order.Right.IsNullable, expected);
                    break;
                case Predicate.In several:
                    WriteTest($"{Column(several.Member)} = any({Parameter(several.Values, several.Values[0].GetType().MakeArrayType())})", expected);
                    break;
                case Predicate.StartsWith start:
                    WriteTest($"starts_with({Column(start.Member)}, {Parameter(start.Prefix, typeof(string))})", expected);
                    break;
                default:
                    throw new NotSupportedException($"PredicateSql cannot write {predicate.GetType().Name}.");
            }
        }

        private void WriteParts(ReadOnlySpan<Predicate> parts, string word, bool expected)
        {
            text.Append('(');
            for (var i = 0; i < parts.Length; i++)
            {
                if (i > 0)
                    text.Append(word);
                Write(parts[i], expected);
            }

            text.Append(')');
        }

        private void WriteFlag(RowMember member, bool value, bool expected)
        {
            if (expected)
                text.Append(value ? Column(member) : $"not {Column(member)}");
            else if (member.IsNullable)
                text.Append($"{Column(member)} is not {(value ? "true" : "false")}");
            else
                text.Append(value ? $"not {Column(member)}" : Column(member));
        }

        // A column that is never null has the opposite comparison as its "false", which an index can answer too.
        private void WriteOrder(string left, Comparison comparison, string right, bool isNullable, bool expected)
        {
            if (expected)
                text.Append($"{left} {Symbol(comparison)} {right}");
            else if (isNullable)
                text.Append($"({left} {Symbol(comparison)} {right}) is not true");
            else
                text.Append($"{left} {Symbol(Opposite(comparison))} {right}");
        }

        private void WriteEqualMembers(RowMember left, RowMember right, bool expected)
        {
            var isNullable = left.IsNullable && right.IsNullable;
            text.Append($"{Column(left)} {(expected ? isNullable ? "is not distinct from" : "=" : "is distinct from")} {Column(right)}");
        }

        private void WriteTest(string test, bool expected) => text.Append(expected ? test : $"({test}) is not true");

        private string Column(RowMember member) => alias.Length == 0 ? column(member.Name) : $"{alias}.{column(member.Name)}";

        private string Parameter(object value, Type type)
        {
            parameters.Add(SqlValue.Parameter(value, type));
            return $"${parameters.Count}";
        }

        private static string Symbol(Comparison comparison) => comparison switch
        {
            Comparison.Less => "<",
            Comparison.LessOrEqual => "<=",
            Comparison.Greater => ">",
            Comparison.GreaterOrEqual => ">=",
            _ => throw new ArgumentOutOfRangeException(nameof(comparison)),
        };

        private static Comparison Opposite(Comparison comparison) => comparison switch
        {
            Comparison.Less => Comparison.GreaterOrEqual,
            Comparison.LessOrEqual => Comparison.Greater,
            Comparison.Greater => Comparison.LessOrEqual,
            Comparison.GreaterOrEqual => Comparison.Less,
            _ => throw new ArgumentOutOfRangeException(nameof(comparison)),
        };
    }
}
