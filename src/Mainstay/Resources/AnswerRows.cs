using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Takes rows straight into the answer: the envelope is open, each row is written behind the one before, and whoever asked closes it. An answer is
/// bounded, so its bytes are held until it is complete: that gives the length, the ETag and the 304, and an error in the middle is still an error.
/// </summary>
internal abstract class AnswerRows : RowSink
{
    private int _start;

    protected AnswerRows(ResourceModel resource, Representation representation, AnswerBuffer buffer)
    {
        (Resource, Representation, Buffer) = (resource, representation, buffer);
    }

    public AnswerBuffer Buffer { get; }

    /// <summary>What is shown beside each row, when it was read before the rows.</summary>
    public IReadOnlyList<IncludedRows> Included { get; set; } = [];

    /// <summary>What is shown beside each row, when it comes with the rows.</summary>
    public Company? Company { get; init; }

    /// <summary>How many rows are in the answer.</summary>
    public int Count { get; private set; }

    protected ResourceModel Resource { get; }

    protected Representation Representation { get; }

    /// <summary>Opens the envelope.</summary>
    public void Begin()
    {
        Open();
        Buffer.Json.Flush();
        _start = Buffer.Bytes.WrittenCount;
    }

    /// <summary>The last row has come.</summary>
    public void End() => Company?.Close(Buffer.Json);

    public override void Clear()
    {
        Buffer.Clear();
        Count = 0;
        Company?.Forget();
        Begin();
    }

    public sealed override bool IsLike(RowSink other) => other is AnswerRows rows && rows.GetType() == GetType() && ReferenceEquals(rows.Resource, Resource) && rows.Representation.Tag == Representation.Tag;

    public sealed override void Copy(RowSink other)
    {
        var rows = (AnswerRows)other;
        rows.End();
        rows.Buffer.Json.Flush();
        if (rows.Count > 0)
            // All of them as one: between two values the writer would put what already stands between these.
            Buffer.Json.WriteRawValue(rows.Buffer.Bytes.WrittenSpan[rows._start..], skipInputValidation: true);
        Count = rows.Count;
        CopyFrom(rows);
    }

    protected abstract void Open();

    protected abstract void CopyFrom(AnswerRows other);

    /// <summary>Whether the reader stands on another row than the last one, and not on one more of its company.</summary>
    protected bool IsNew(NpgsqlDataReader reader) => Company is null || Company.IsNew(reader, Resource);

    protected void Write(NpgsqlDataReader reader)
    {
        if (IsNew(reader))
            Count++;
        if (Company is not null)
            Company.Write(Buffer.Json, reader, Resource, Representation);
        else
            RowJson.Write(Buffer.Json, reader, Resource, Representation, Included);
    }
}

/// <summary>One row, or none.</summary>
internal sealed class ItemRows(ResourceModel resource, Representation representation, AnswerBuffer buffer, WireFormat format, ResultSubject subject) : AnswerRows(resource, representation, buffer)
{
    public long Version { get; private set; }

    public override void Add(NpgsqlDataReader reader)
    {
        Write(reader);
        Version = reader.GetInt64(Resource.Table.Columns.Count);
    }

    protected override void Open() => format.BeginItem(Buffer.Json, subject);

    protected override void CopyFrom(AnswerRows other) => Version = ((ItemRows)other).Version;
}

/// <summary>The rows of a page. The statement reads one more than the page shows.</summary>
internal sealed class PageRows(ResourceModel resource, ListQuery query, AnswerBuffer buffer, WireFormat format, ResultSubject subject) : AnswerRows(resource, query.Representation, buffer)
{
    /// <summary>Whether there are rows behind the page.</summary>
    public bool HasMore { get; private set; }

    /// <summary>Where the last row of a full page stands.</summary>
    public Position? Last { get; private set; }

    public override void Add(NpgsqlDataReader reader)
    {
        var isNew = IsNew(reader);
        if (isNew && Count == query.PageSize)
            HasMore = true;
        if (HasMore)
            return;
        Write(reader);
        if (isNew && Count == query.PageSize)
            Last = new Position(query.Order.ValueOf(reader, Resource.Table.Columns.Count + 1), reader.GetGuid(Resource.Table.Key.Ordinal));
    }

    public override void Clear()
    {
        (HasMore, Last) = (false, null);
        base.Clear();
    }

    protected override void Open() => format.BeginList(Buffer.Json, subject);

    // Order and size are the same, because the statement is.
    protected override void CopyFrom(AnswerRows other) => (HasMore, Last) = (((PageRows)other).HasMore, ((PageRows)other).Last);
}
