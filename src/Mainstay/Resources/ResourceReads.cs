using System.Runtime.CompilerServices;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Reads rows into answers. What one statement can tell is asked through <see cref="Reads"/>; what stands beside it needs several, and one view of the data.</summary>
internal sealed class ResourceReads(BackendServices backend, ResourceModel resource)
{
    private static readonly KeyValuePair<string, string> varyByCaller = new("Vary", "Authorization");
    private static readonly KeyValuePair<string, string> json = new("Content-Type", WireFormat.Json);

    /// <summary>One row, or the problem that there is none that the caller may see.</summary>
    public ValueTask<Answer> GetAsync(Call call, Guid id, Representation representation) => backend.Transactor.ReadAsync(call.Reading, static read => read.Reads.GetOnceAsync(read.Call, read.Id, read.Representation), (Reads: this, Call: call, Id: id, Representation: representation));

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Answer> GetOnceAsync(Call call, Guid id, Representation representation)
    {
        var visible = resource.Read!.Resolve(call.User, resource.Table.RowType);
        var rows = new ItemRows(resource, representation, backend.Buffers.Rent(), backend.Format, call.Operation.SubjectOf(resource)) { Company = CompanyOf(representation, resource.Table.Columns.Count + 1) };
        rows.Begin();
        if (representation.Includes.Count <= 1)
        {
            call.Usage.Add(statements: 1);
            var statement = representation.Includes is [var include]
                ? ResourceSql.WithCompany(resource, include, VisibleTo(call, include), "", sql => ResourceSql.AppendOne(sql, resource, visible, id), "").ToStatement()
                : ResourceSql.Get(resource, visible, id);
            await backend.Reads.RunAsync(statement, rows, call.Deadline, call.Cancellation);
        }
        else
        {
            await using var connection = await backend.Database.OpenAsync(call.Deadline, call.Cancellation);
            await using var batch = Batch(connection);
            AddIncludes(batch, call, representation, sql => ResourceSql.AppendOne(sql, resource, visible, id));
            batch.BatchCommands.Add(ResourceSql.Get(resource, visible, id).ToBatchCommand());
            await using var reader = await ReadAsync(batch, call);
            await ReadRowsAsync(reader, rows, representation, call.Cancellation);
        }
        rows.End();
        if (rows.Count == 0)
        {
            rows.Buffer.Dispose();
            throw NotFound(resource, id);
        }
        backend.Format.EndItem(rows.Buffer.Json, call.Operation.SubjectOf(resource), null);
        rows.Buffer.Json.Flush();
        // What stands beside the row has versions of its own, so a tag of both is made from the bytes.
        var tag = representation.Includes.Count == 0 ? ETags.OfRow(rows.Version, resource.Shape, representation.Tag) : ETags.OfRow(rows.Version, rows.Buffer.Bytes.WrittenSpan);
        var isForAnyone = IsForAnyone(call, representation);
        return Found(rows.Buffer, tag, isForAnyone, isForAnyone ? null : varyByCaller);
    }

    /// <summary>One page of the rows that the caller may see.</summary>
    /// <param name="call">The call.</param>
    /// <param name="query">What is asked for.</param>
    /// <param name="parent">The row they belong to, which must be visible too, or null.</param>
    public ValueTask<Answer> ListAsync(Call call, ListQuery query, (ResourceModel Resource, Guid Id)? parent) =>
        backend.Transactor.ReadAsync(call.Reading, static read => read.Reads.ListOnceAsync(read.Call, read.Query, read.Parent), (Reads: this, Call: call, Query: query, Parent: parent));

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Answer> ListOnceAsync(Call call, ListQuery query, (ResourceModel Resource, Guid Id)? parent)
    {
        var visible = resource.Read!.Resolve(call.User, resource.Table.RowType);
        var subject = call.Operation.SubjectOf(resource);
        ListTotal? total = null;
        PageRows rows;
        if (parent is null && !query.IsCounted && query.Representation.Includes.Count <= 1)
        {
            rows = new PageRows(resource, query, backend.Buffers.Rent(), backend.Format, subject) { Company = CompanyOf(query.Representation, resource.Table.Columns.Count + (query.Order.Relevance is null ? 1 : 2)) };
            rows.Begin();
            call.Usage.Add(statements: 1);
            await backend.Reads.RunAsync(query.Representation.Includes is [var include] ? ListSql.ListWithCompany(resource, visible, query, include, VisibleTo(call, include)) : ListSql.List(resource, visible, query),
                rows, call.Deadline, call.Cancellation);
            rows.End();
        }
        else
        {
            rows = new PageRows(resource, query, backend.Buffers.Rent(), backend.Format, subject);
            rows.Begin();
            await using var connection = await backend.Database.OpenAsync(call.Deadline, call.Cancellation);
            await using var batch = Batch(connection);
            if (parent is { } owner)
                batch.BatchCommands.Add(ResourceSql.Exists(owner.Resource, owner.Resource.Read?.Resolve(call.User, owner.Resource.Table.RowType) ?? Predicate.Never, owner.Id).ToBatchCommand());
            if (query.IsCounted)
                batch.BatchCommands.Add(ListSql.Count(resource, visible, query).ToBatchCommand());
            AddIncludes(batch, call, query.Representation, sql => ListSql.AppendPage(sql, resource, visible, query, query.PageSize));
            batch.BatchCommands.Add(ListSql.List(resource, visible, query).ToBatchCommand());
            await using var reader = await ReadAsync(batch, call);
            if (parent is { } visibleOwner)
            {
                if (!await reader.ReadAsync(call.Cancellation))
                    throw NotFound(visibleOwner.Resource, visibleOwner.Id);
                await reader.NextResultAsync(call.Cancellation);
            }
            total = query.IsCounted ? await ReadTotalAsync(reader, call.Cancellation) : null;
            await ReadRowsAsync(reader, rows, query.Representation, call.Cancellation);
        }
        var next = rows.HasMore ? query.Cursor(backend.Cursors, rows.Last!) : null;
        backend.Format.EndPage(rows.Buffer.Json, subject, new ResultPage(query.PageSize, rows.Count, next)
        {
            Number = query.Page, TotalCount = total?.Count, TotalCountIsCapped = total is { IsCapped: true }, TotalPages = query.Page is null ? null : total?.Pages(query.PageSize),
        });
        rows.Buffer.Json.Flush();
        // A cursor belongs to its caller, so pages vary also where the rows do not.
        return Found(rows.Buffer, ETags.OfBytes(rows.Buffer.Bytes.WrittenSpan), IsForAnyone(call, query.Representation), varyByCaller, PageLinks.Of(call, query, next, total) is { } link ? new("Link", link) : null);
    }

    private static async Task<ListTotal?> ReadTotalAsync(NpgsqlDataReader reader, CancellationToken cancellation)
    {
        await reader.ReadAsync(cancellation);
        var counted = reader.GetInt32(0);
        await reader.NextResultAsync(cancellation);
        return new ListTotal(Math.Min(counted, ListQuery.CountMost), counted > ListQuery.CountMost);
    }

    public static ProblemException NotFound(ResourceModel resource, Guid id) =>
        ProblemCatalogue.NotFound.Because($"There is no '{resource.Table.Key.Member.Scalar!.Text(IdOf(resource, id))}' in {resource.Path}, or this caller may not see it.");

    private static object IdOf(ResourceModel resource, Guid id) => IdFactory.Make(resource.Table.Key.Member.Scalar!.Type, id);

    /// <summary>Whether everybody sees the same: the rows, and what is shown beside them.</summary>
    private static bool IsForAnyone(Call call, Representation representation) =>
        call.Operation.Policy == Policy.Anyone && (representation.Includes.Count == 0 || representation.Includes.All(include => include.Target.Read == Policy.Anyone));

    private Answer Found(AnswerBuffer buffer, string etag, bool isForAnyone, params ReadOnlySpan<KeyValuePair<string, string>?> others)
    {
        var count = 0;
        foreach (var other in others)
            count += other is null ? 0 : 1;
        var headers = new KeyValuePair<string, string>[count + 3];
        headers[0] = new("ETag", etag);
        headers[1] = new("Cache-Control", resource.Cache.Field(isForAnyone));
        headers[2] = json;
        count = 3;
        foreach (var other in others)
            if (other is { } header)
                headers[count++] = header;
        return new Answer(200, buffer.Bytes.WrittenMemory) { Headers = headers, Rented = buffer };
    }

    private static NpgsqlBatch Batch(NpgsqlConnection connection) => new(connection) { Timeout = 0 };

    /// <summary>
    /// One round trip and one view of the data: several statements run in one repeatable-read transaction, so that a row and what is shown beside it
    /// are of the same instant.
    /// </summary>
    /// <returns>A reader that stands before the rows of the first statement.</returns>
    private async Task<NpgsqlDataReader> ReadAsync(NpgsqlBatch batch, Call call)
    {
        if (call.Deadline.Left(backend.Clock) <= TimeSpan.Zero)
            throw DatabaseErrors.DeadlineExceeded();
        batch.BatchCommands.Insert(0, new NpgsqlBatchCommand("begin isolation level repeatable read read only"));
        batch.BatchCommands.Add(new NpgsqlBatchCommand("commit"));
        call.Usage.Add(batch.BatchCommands.Count);
        return await batch.ExecuteReaderAsync(call.Cancellation);
    }

    /// <summary>The statements for what is shown beside the rows come first, so that the rows themselves can be streamed when their company is known.</summary>
    private static void AddIncludes(NpgsqlBatch batch, Call call, Representation representation, Action<SqlText> page)
    {
        foreach (var include in representation.Includes)
            batch.BatchCommands.Add(ResourceSql.Include(include, VisibleTo(call, include), page).ToBatchCommand());
    }

    private static Predicate VisibleTo(Call call, ResourceInclude include) => include.Target.Read?.Resolve(call.User, include.Target.Table.RowType) ?? Predicate.Never;

    /// <summary>One include comes with its rows. Several would multiply each other, so each has a statement of its own.</summary>
    private static Company? CompanyOf(Representation representation, int first) => representation.Includes is [var include] ? new Company(include, first) : null;

    private static async Task ReadRowsAsync(NpgsqlDataReader reader, AnswerRows rows, Representation representation, CancellationToken cancellation)
    {
        if (representation.Includes.Count > 0)
        {
            var included = new List<IncludedRows>(representation.Includes.Count);
            foreach (var include in representation.Includes)
            {
                included.Add(await IncludedRows.ReadAsync(reader, include, cancellation));
                await reader.NextResultAsync(cancellation);
            }
            rows.Included = included;
        }
        while (await reader.ReadAsync(cancellation))
            rows.Add(reader);
    }
}
