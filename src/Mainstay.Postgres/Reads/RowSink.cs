using Npgsql;

namespace Mainstay.Internal;

/// <summary>Takes the rows of a statement, one by one, while they are read.</summary>
internal abstract class RowSink
{
    /// <summary>Takes the row that the reader stands on.</summary>
    public abstract void Add(NpgsqlDataReader reader);

    /// <summary>Whether it makes the same of every row as another sink.</summary>
    public abstract bool IsLike(RowSink other);

    /// <summary>Takes what a sink that is like this one has made of the rows.</summary>
    public abstract void Copy(RowSink other);

    /// <summary>Forgets all rows, because they will come again.</summary>
    public abstract void Clear();
}
