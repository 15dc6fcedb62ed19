using System.Text.Json;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// What one include shows beside rows, when both come from one statement (<see cref="ResourceSql.WithCompany"/>): a row as often as it has company. Its own
/// columns are looked at once.
/// </summary>
/// <param name="include">What is shown.</param>
/// <param name="first">The place of its first column.</param>
internal sealed class Company(ResourceInclude include, int first)
{
    private Guid? _open;

    /// <summary>Whether the reader stands on another row than the last one.</summary>
    public bool IsNew(NpgsqlDataReader reader, ResourceModel resource) => _open != reader.GetGuid(resource.Table.Key.Ordinal);

    /// <summary>Writes the row, if it is another one, and who is beside it.</summary>
    public void Write(Utf8JsonWriter writer, NpgsqlDataReader reader, ResourceModel resource, Representation representation)
    {
        if (IsNew(reader, resource))
        {
            Close(writer);
            writer.WriteStartObject();
            RowJson.WriteFields(writer, reader, resource, representation);
            writer.WritePropertyName(include.Name);
            if (include.IsMany)
                writer.WriteStartArray();
            _open = reader.GetGuid(resource.Table.Key.Ordinal);
        }
        var target = include.Target.Table;
        if (!reader.IsDBNull(first + target.Key.Ordinal))
        {
            writer.WriteStartObject();
            for (var i = 0; i < target.Columns.Count; i++)
                RowJson.WriteField(writer, reader, target.Columns[i], first + i);
            writer.WriteEndObject();
        }
        else if (!include.IsMany)
            writer.WriteNullValue();
    }

    /// <summary>Ends the row that is open.</summary>
    public void Close(Utf8JsonWriter writer)
    {
        if (_open is null)
            return;
        if (include.IsMany)
            writer.WriteEndArray();
        writer.WriteEndObject();
        _open = null;
    }

    public void Forget() => _open = null;
}
