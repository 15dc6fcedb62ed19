using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// Reads rows and writes them as JSON without objects in between: each field goes from the reader to the writer by its column's type. A page is
/// bounded, so its bytes are held until it is complete: that gives the length, the ETag and the 304, and an error in the middle is still an error.
/// </summary>
internal sealed class ResourceReads(BackendServices backend, ResourceModel resource)
{
    private static readonly KeyValuePair<string, string> varyByCaller = new("Vary", "Authorization");

    /// <summary>One row, or the problem that there is none that the caller may see.</summary>
    public Task<Answer> GetAsync(Call call, Guid id, Representation representation) => backend.Transactor.ReadAsync(call.Transaction, () => GetOnceAsync(call, id, representation));

    private async Task<Answer> GetOnceAsync(Call call, Guid id, Representation representation)
    {
        var visible = resource.Read!.Resolve(call.User, resource.Table.RowType);
        await using var connection = await backend.Database.OpenAsync(call.Deadline, call.Cancellation);
        await using var batch = Batch(connection, call);
        AddIncludes(batch, call, representation, (text, command) => ResourceSql.AppendOne(text, command, resource, visible, id));
        batch.BatchCommands.Add(ResourceSql.Get(resource, visible, id));
        await using var reader = await ReadAsync(batch, call);
        var included = await ReadIncludesAsync(reader, representation, call.Cancellation);
        if (!await reader.ReadAsync(call.Cancellation))
            throw NotFound(resource, id);

        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, JsonFormat.Writer))
        {
            backend.Format.BeginItem(writer, call.Operation.SubjectOf(resource));
            WriteRow(writer, reader, representation, included);
            backend.Format.EndItem(writer, call.Operation.SubjectOf(resource), null);
        }
        var version = reader.GetInt64(resource.Table.Columns.Count);
        // What stands beside the row has versions of its own, so a tag of both is made from the bytes.
        var tag = representation.Includes.Count == 0 ? ETags.OfRow(version, resource.Shape, representation.Tag) : ETags.OfRow(version, Hash(buffer.WrittenSpan));
        var isForAnyone = IsForAnyone(call, representation);
        return Found(buffer, tag, isForAnyone, isForAnyone ? [] : [varyByCaller]);
    }

    /// <summary>One page of the rows that the caller may see.</summary>
    /// <param name="call">The call.</param>
    /// <param name="query">What is asked for.</param>
    /// <param name="parent">The row they belong to, which must be visible too, or null.</param>
    public Task<Answer> ListAsync(Call call, ListQuery query, (ResourceModel Resource, Guid Id)? parent) => backend.Transactor.ReadAsync(call.Transaction, () => ListOnceAsync(call, query, parent));

    private async Task<Answer> ListOnceAsync(Call call, ListQuery query, (ResourceModel Resource, Guid Id)? parent)
    {
        var visible = resource.Read!.Resolve(call.User, resource.Table.RowType);
        await using var connection = await backend.Database.OpenAsync(call.Deadline, call.Cancellation);
        await using var batch = Batch(connection, call);
        if (parent is { } owner)
            batch.BatchCommands.Add(ResourceSql.Exists(owner.Resource, owner.Resource.Read?.Resolve(call.User, owner.Resource.Table.RowType) ?? Predicate.Never, owner.Id));
        if (query.IsCounted)
            batch.BatchCommands.Add(ListSql.Count(resource, visible, query));
        AddIncludes(batch, call, query.Representation, (text, command) => ListSql.AppendPage(text, command, resource, visible, query, query.PageSize));
        batch.BatchCommands.Add(ListSql.List(resource, visible, query));
        await using var reader = await ReadAsync(batch, call);
        if (parent is { } visibleOwner)
        {
            if (!await reader.ReadAsync(call.Cancellation))
                throw NotFound(visibleOwner.Resource, visibleOwner.Id);
            await reader.NextResultAsync(call.Cancellation);
        }
        var total = query.IsCounted ? await ReadTotalAsync(reader, call.Cancellation) : null;
        var included = await ReadIncludesAsync(reader, query.Representation, call.Cancellation);

        var buffer = new ArrayBufferWriter<byte>(8192);
        string? next = null;
        using (var writer = new Utf8JsonWriter(buffer, JsonFormat.Writer))
        {
            var subject = call.Operation.SubjectOf(resource);
            backend.Format.BeginList(writer, subject);
            Position? last = null;
            var count = 0;
            for (; await reader.ReadAsync(call.Cancellation); count++)
            {
                if (count == query.PageSize)
                {
                    next = query.Cursor(backend.Cursors, last!);
                    break;
                }
                WriteRow(writer, reader, query.Representation, included);
                if (count == query.PageSize - 1)
                    last = new Position(query.Order.ValueOf(reader, resource.Table.Columns.Count + 1), reader.GetGuid(resource.Table.Key.Ordinal));
            }
            backend.Format.EndPage(writer, subject, new ResultPage(query.PageSize, count, next)
            {
                Number = query.Page, TotalCount = total?.Count, TotalCountIsCapped = total is { IsCapped: true }, TotalPages = query.Page is null ? null : total?.Pages(query.PageSize),
            });
        }
        // A cursor belongs to its caller, so pages vary also where the rows do not.
        List<KeyValuePair<string, string>> headers = PageLinks.Of(call, query, next, total) is { } link ? [varyByCaller, new("Link", link)] : [varyByCaller];
        return Found(buffer, $"\"{Hash(buffer.WrittenSpan)}\"", IsForAnyone(call, query.Representation), headers);
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

    private Answer Found(ArrayBufferWriter<byte> buffer, string etag, bool isForAnyone, List<KeyValuePair<string, string>> headers)
    {
        headers.Add(new("ETag", etag));
        headers.Add(new("Cache-Control", resource.Cache.Field(isForAnyone)));
        headers.Add(new("Content-Type", WireFormat.Json));
        return new Answer(200, buffer.WrittenMemory) { Headers = headers };
    }

    private NpgsqlBatch Batch(NpgsqlConnection connection, Call call) =>
        new(connection) { Timeout = (int)Math.Ceiling(Math.Max(1, call.Deadline.Left(backend.Clock).TotalSeconds)) + 1 };

    /// <summary>
    /// One round trip and one view of the data: several statements run in one repeatable-read transaction, so that a row and what is shown beside it
    /// are of the same instant. A single statement is its own transaction.
    /// </summary>
    /// <returns>A reader that stands before the rows of the first statement.</returns>
    private async Task<NpgsqlDataReader> ReadAsync(NpgsqlBatch batch, Call call)
    {
        var isSeveral = batch.BatchCommands.Count > 1;
        var left = call.Deadline.Left(backend.Clock);
        if (left <= TimeSpan.Zero)
            throw DatabaseErrors.DeadlineExceeded();
        batch.BatchCommands.Insert(0, Work.Timeouts(left, left));
        if (isSeveral)
        {
            batch.BatchCommands.Insert(0, new NpgsqlBatchCommand("begin isolation level repeatable read read only"));
            batch.BatchCommands.Add(new NpgsqlBatchCommand("commit"));
        }
        call.Usage.RoundTrips++;
        var reader = await batch.ExecuteReaderAsync(call.Cancellation);
        try
        {
            await reader.NextResultAsync(call.Cancellation); // past the timeouts
            return reader;
        }
        catch
        {
            await reader.DisposeAsync();
            throw;
        }
    }

    /// <summary>The statements for what is shown beside the rows come first, so that the rows themselves can be streamed when their company is known.</summary>
    private static void AddIncludes(NpgsqlBatch batch, Call call, Representation representation, Action<StringBuilder, NpgsqlBatchCommand> page)
    {
        foreach (var include in representation.Includes)
            batch.BatchCommands.Add(ResourceSql.Include(include, include.Target.Read?.Resolve(call.User, include.Target.Table.RowType) ?? Predicate.Never, page));
    }

    private static async Task<List<(ResourceInclude Include, Dictionary<Guid, ReadOnlyMemory<byte>> Rows)>> ReadIncludesAsync(NpgsqlDataReader reader, Representation representation, CancellationToken cancellation)
    {
        var included = new List<(ResourceInclude, Dictionary<Guid, ReadOnlyMemory<byte>>)>(representation.Includes.Count);
        foreach (var include in representation.Includes)
        {
            included.Add((include, await ReadIncludeAsync(reader, include, cancellation)));
            await reader.NextResultAsync(cancellation);
        }
        return included;
    }

    /// <summary>JSON fragments by the key of the row they belong to. Rows of one key come together.</summary>
    private static async Task<Dictionary<Guid, ReadOnlyMemory<byte>>> ReadIncludeAsync(NpgsqlDataReader reader, ResourceInclude include, CancellationToken cancellation)
    {
        var fragments = new Dictionary<Guid, ReadOnlyMemory<byte>>();
        var columns = include.Target.Table.Columns;
        var buffer = new ArrayBufferWriter<byte>(1024);
        var writer = new Utf8JsonWriter(buffer, JsonFormat.Writer);
        Guid? open = null;
        void Close()
        {
            if (open is not { } key)
                return;
            if (include.IsMany)
                writer.WriteEndArray();
            writer.Flush();
            fragments[key] = buffer.WrittenSpan.ToArray();
            buffer.ResetWrittenCount();
            writer.Reset();
            open = null;
        }
        while (await reader.ReadAsync(cancellation))
        {
            var key = reader.GetGuid(0);
            if (open != key)
            {
                Close();
                open = key;
                if (include.IsMany)
                    writer.WriteStartArray();
            }
            writer.WriteStartObject();
            for (var i = 0; i < columns.Count; i++)
                WriteField(writer, reader, columns[i], i + 1);
            writer.WriteEndObject();
        }
        Close();
        await writer.DisposeAsync();
        return fragments;
    }

    private void WriteRow(Utf8JsonWriter writer, NpgsqlDataReader reader, Representation representation, List<(ResourceInclude Include, Dictionary<Guid, ReadOnlyMemory<byte>> Rows)> included)
    {
        var columns = resource.Table.Columns;
        writer.WriteStartObject();
        for (var i = 0; i < columns.Count; i++)
            if (representation.Fields is null || representation.Fields.Contains(i))
                WriteField(writer, reader, columns[i], i);
        foreach (var (include, rows) in included)
        {
            writer.WritePropertyName(include.Name);
            var ordinal = (include.IsMany ? resource.Table.Key : include.Column).Ordinal;
            if (!reader.IsDBNull(ordinal) && rows.TryGetValue(reader.GetGuid(ordinal), out var fragment))
                writer.WriteRawValue(fragment.Span, skipInputValidation: true);
            else if (include.IsMany)
                writer.WriteRawValue("[]"u8, skipInputValidation: true);
            else
                writer.WriteNullValue();
        }
        writer.WriteEndObject();
    }

    private static void WriteField(Utf8JsonWriter writer, NpgsqlDataReader reader, Column column, int ordinal)
    {
        writer.WritePropertyName(column.JsonName);
        if (reader.IsDBNull(ordinal))
            writer.WriteNullValue();
        else
            column.Type.WriteJson(reader, ordinal, writer);
    }

    private static string Hash(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, hash);
        return Convert.ToHexStringLower(hash[..12]);
    }
}
