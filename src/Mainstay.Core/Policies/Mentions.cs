using System.Linq.Expressions;

namespace Mainstay.Internal;

/// <summary>Whether an expression mentions one of the lambda's parameters.</summary>
internal sealed class Mentions(ParameterExpression first, ParameterExpression second) : ExpressionVisitor
{
    private bool found;

    public static bool Any(Expression expression, ParameterExpression first, ParameterExpression second)
    {
        var search = new Mentions(first, second);
        search.Visit(expression);
        return search.found;
    }

    public override Expression? Visit(Expression? node) => found ? node : base.Visit(node);

    protected override Expression VisitParameter(ParameterExpression node)
    {
        found |= node == first || node == second;
        return node;
    }
}
