using System.Linq.Expressions;
using System.Reflection;

namespace Mainstay.Internal;

/// <summary>The value of a part that mentions neither row nor user: a constant, a captured variable, a member of one, or a new value of those.</summary>
/// <remarks>
/// Calls and clocks are refused although they could be run: they would run once, when the policy is declared, and a reader of
/// <c>row.ClosesAt &gt; clock.GetUtcNow()</c> expects them to run with every request.
/// </remarks>
internal static class CapturedValue
{
    public static object? Of(Expression expression, Func<Expression, string, ConfigurationException> refuse)
    {
        new Check(refuse).Visit(expression);
        try
        {
            return Expression.Lambda<Func<object?>>(Expression.Convert(expression, typeof(object))).Compile(preferInterpretation: true)();
        }
        catch (Exception e) when (e is NullReferenceException or InvalidOperationException or OverflowException or InvalidCastException or TargetInvocationException or ArgumentException)
        {
            throw refuse(expression, $"Its value could not be read when the policy was declared ({e.GetType().Name})");
        }
    }

    private sealed class Check(Func<Expression, string, ConfigurationException> refuse) : ExpressionVisitor
    {
        public override Expression? Visit(Expression? node) => node switch
        {
            null or ConstantExpression or NewExpression or NewArrayExpression or ListInitExpression => base.Visit(node),
            UnaryExpression { NodeType: ExpressionType.Convert or ExpressionType.ConvertChecked or ExpressionType.Negate or ExpressionType.NegateChecked or ExpressionType.Not } => base.Visit(node),
            MemberExpression { Member: PropertyInfo { Name: "Now" or "UtcNow" or "Today" } } =>
                throw refuse(node, "It would be read once, when the policy is declared. Compare a stored state instead, which a job changes when the time comes"),
            MemberExpression => base.Visit(node),
            _ => throw refuse(node, "It would be calculated once, when the policy is declared. Say so: calculate it before, and use the variable here"),
        };
    }
}
