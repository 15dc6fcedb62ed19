namespace Mainstay.Internal;

internal enum ChangeKind { Insert, Update, Delete }

/// <summary>One row that a unit of work changes.</summary>
/// <param name="Kind">What happens to it.</param>
/// <param name="Table">Its table.</param>
/// <param name="Before">The row as it was; null for an insert.</param>
/// <param name="After">The row as it shall be; null for a delete.</param>
/// <param name="Number">Position among the changes of its unit of work, or the element of the client's array, so that a violation in a bulk request names the element.</param>
internal sealed record RowChange(ChangeKind Kind, TableModel Table, object? Before, object? After, int Number)
{
    public Guid Id { get; } = ((IId)Table.Key.Member.Get(After ?? Before!)!).Value;
}
