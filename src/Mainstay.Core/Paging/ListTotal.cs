namespace Mainstay.Internal;

/// <summary>How many rows a list has on all its pages together.</summary>
/// <param name="Count">The number that was counted.</param>
/// <param name="IsCapped">Whether counting ended there, so that there are more.</param>
internal readonly record struct ListTotal(int Count, bool IsCapped)
{
    /// <summary>How many pages the counted rows fill.</summary>
    public int Pages(int pageSize) => (Count + pageSize - 1) / pageSize;
}
