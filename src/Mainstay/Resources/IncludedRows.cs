using System.Buffers;
using System.Text.Json;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>What one include shows beside the rows of a page: JSON fragments by the key of the row they belong to.</summary>
internal sealed class IncludedRows
{
    private readonly ResourceInclude _include;
    private readonly Dictionary<Guid, ReadOnlyMemory<byte>> _fragments = [];

    private IncludedRows(ResourceInclude include) => _include = include;

    /// <summary>Reads the rows of <see cref="ResourceSql.Include"/>. Rows of one key come together.</summary>
    public static async Task<IncludedRows> ReadAsync(NpgsqlDataReader reader, ResourceInclude include, CancellationToken cancellation)
    {
        var rows = new IncludedRows(include);
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
            rows._fragments[key] = buffer.WrittenSpan.ToArray();
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
                RowJson.WriteField(writer, reader, columns[i], i + 1);
            writer.WriteEndObject();
        }
        Close();
        await writer.DisposeAsync();
        return rows;
    }

    /// <summary>Writes what belongs to the row that the reader stands on.</summary>
    public void Write(Utf8JsonWriter writer, NpgsqlDataReader reader, ResourceModel resource)
    {
        writer.WritePropertyName(_include.Name);
        var ordinal = (_include.IsMany ? resource.Table.Key : _include.Column).Ordinal;
        if (!reader.IsDBNull(ordinal) && _fragments.TryGetValue(reader.GetGuid(ordinal), out var fragment))
            writer.WriteRawValue(fragment.Span, skipInputValidation: true);
        else if (_include.IsMany)
            writer.WriteRawValue("[]"u8, skipInputValidation: true);
        else
            writer.WriteNullValue();
    }
}
