namespace Mainstay.Internal;

/// <summary>An <see cref="Id{T}"/> of whichever type, for code that only needs the UUID.</summary>
internal interface IId
{
    Guid Value { get; }

    /// <summary>The <c>T</c> when the type is an <see cref="Id{T}"/>.</summary>
    static Type? OwnerOf(Type type) => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Id<>) ? type.GetGenericArguments()[0] : null;
}
