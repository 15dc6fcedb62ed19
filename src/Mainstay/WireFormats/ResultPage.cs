namespace Mainstay;

/// <summary>Where in a list a page is.</summary>
/// <param name="Size">How many rows were asked for.</param>
/// <param name="Count">How many rows the page has.</param>
/// <param name="NextCursor">Where the next page begins; null on the last one.</param>
public readonly record struct ResultPage(int Size, int Count, string? NextCursor)
{
    /// <summary>The number of the page, from 1; null when it was not asked for by number.</summary>
    public int? Number { get; init; }

    /// <summary>How many rows there are on all pages; null when that was not asked for.</summary>
    public int? TotalCount { get; init; }

    /// <summary>Whether there are more rows than <see cref="TotalCount"/>, because counting ends there.</summary>
    public bool TotalCountIsCapped { get; init; }

    /// <summary>How many pages have numbers; null when the page was not asked for by number.</summary>
    public int? TotalPages { get; init; }
}
