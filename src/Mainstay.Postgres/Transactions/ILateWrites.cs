using Npgsql;

namespace Mainstay.Internal;

/// <summary>What a block writes at the very end of a unit of work, because it locks rows that many others want: so they are locked for the time of the commit and no longer.</summary>
internal interface ILateWrites
{
    /// <summary>The statements, in an order that cannot deadlock with those of another unit of work.</summary>
    IEnumerable<BatchItem> Statements();

    /// <summary>What it means that one of them was refused; null when it was none of them.</summary>
    ProblemException? Translate(PostgresException error);
}
