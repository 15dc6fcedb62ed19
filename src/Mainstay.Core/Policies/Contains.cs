using System.Collections;
using System.Linq.Expressions;

namespace Mainstay.Internal;

/// <summary>The three forms of <c>values.Contains(item)</c> that the compiler makes.</summary>
internal static class Contains
{
    /// <summary>The searched collection and the item, or null when this is another call.</summary>
    public static (Expression Values, Expression Item)? Match(MethodCallExpression call)
    {
        if (call.Method.Name != nameof(Contains) || call.Method.DeclaringType == typeof(string))
            return null;

        // list.Contains(x), set.Contains(x), immutable.Contains(x)
        if (call.Object is { } list && call.Arguments.Count == 1)
            return (list, call.Arguments[0]);

        // Enumerable.Contains(list, x); a comparer would be lost.
        if (call.Method.DeclaringType == typeof(Enumerable) && call.Arguments.Count == 2)
            return (call.Arguments[0], call.Arguments[1]);

        // C# 14 prefers MemoryExtensions.Contains((ReadOnlySpan<T>)array, x) for arrays. A span cannot be evaluated, its array can.
        if (call.Method.DeclaringType == typeof(MemoryExtensions) && (call.Arguments.Count == 2 || call.Arguments is [_, _, ConstantExpression { Value: null }]))
            return (WithoutSpan(call.Arguments[0]), call.Arguments[1]);

        return null;
    }

    /// <summary>A copy of the values, so that a later change of the collection changes no decision.</summary>
    public static List<object?> Values(object? collection, Func<string, ConfigurationException> refuse)
    {
        if (collection is not IEnumerable values)
            throw refuse("The list is null or cannot be enumerated");
        if (IgnoresCase(collection))
            throw refuse("The set ignores letter case, which SQL would not. Use StringComparer.Ordinal, and store the normalized text in the row");
        return values.Cast<object?>().ToList();
    }

    private static Expression WithoutSpan(Expression span) => span switch
    {
        MethodCallExpression { Method.Name: "op_Implicit", Arguments: [var array] } => WithoutSpan(array),
        UnaryExpression { NodeType: ExpressionType.Convert, Operand: var array } when span.Type.IsByRefLike => WithoutSpan(array),
        _ => span,
    };

    private static bool IgnoresCase(object collection)
    {
        var comparer = (collection.GetType().GetProperty("Comparer") ?? collection.GetType().GetProperty("KeyComparer"))?.GetValue(collection);
        return comparer switch
        {
            IEqualityComparer<string> equality => equality.Equals("a", "A"),
            IComparer<string> order => order.Compare("a", "A") == 0,
            _ => false,
        };
    }
}
