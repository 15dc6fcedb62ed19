using System.Collections.Concurrent;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>The values that statements of one text have in one place, by the type they all have.</summary>
internal abstract class ValueColumn
{
    private static readonly ConcurrentDictionary<Type, ValueColumn?> known = new();

    /// <summary>By the type of a parameter; null where several of it cannot stand in one array.</summary>
    public static ValueColumn? Of(NpgsqlParameter value) => known.GetOrAdd(value.GetType(), static type =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(NpgsqlParameter<>) && type.GetGenericArguments() is [{ IsArray: false } one]
            ? (ValueColumn)Activator.CreateInstance(typeof(Typed<>).MakeGenericType(one))!
            : null);

    public abstract bool AreEqual(NpgsqlParameter left, NpgsqlParameter right);

    public abstract int HashOf(NpgsqlParameter value);

    public abstract NpgsqlParameter ToArray(IReadOnlyList<ReadStatement> statements, int place);

    private sealed class Typed<T> : ValueColumn
    {
        public override bool AreEqual(NpgsqlParameter left, NpgsqlParameter right) => EqualityComparer<T>.Default.Equals(((NpgsqlParameter<T>)left).TypedValue, ((NpgsqlParameter<T>)right).TypedValue);

        public override int HashOf(NpgsqlParameter value) => ((NpgsqlParameter<T>)value).TypedValue?.GetHashCode() ?? 0;

        public override NpgsqlParameter ToArray(IReadOnlyList<ReadStatement> statements, int place)
        {
            var values = new T?[statements.Count];
            for (var i = 0; i < values.Length; i++)
                values[i] = ((NpgsqlParameter<T>)statements[i].Values[place]).TypedValue;
            return SqlValue.Plain(values);
        }
    }
}
