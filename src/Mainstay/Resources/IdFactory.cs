using System.Collections.Concurrent;
using System.Linq.Expressions;

namespace Mainstay.Internal;

/// <summary>Makes typed ids where the type is only known at run time.</summary>
internal static class IdFactory
{
    private static readonly ConcurrentDictionary<Type, Func<Guid, object>> makers = new();

    public static object Make(Type idType, Guid value) => makers.GetOrAdd(idType, Compile)(value);

    private static Func<Guid, object> Compile(Type idType)
    {
        var value = Expression.Parameter(typeof(Guid));
        return Expression.Lambda<Func<Guid, object>>(Expression.Convert(Expression.Call(idType, "From", null, value), typeof(object)), value).Compile();
    }
}
