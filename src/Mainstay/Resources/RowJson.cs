using System.Text.Json;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Writes rows as JSON without objects in between: each field goes from the reader to the writer by its column's type.</summary>
internal static class RowJson
{
    public static void Write(Utf8JsonWriter writer, NpgsqlDataReader reader, ResourceModel resource, Representation representation, IReadOnlyList<IncludedRows> included)
    {
        writer.WriteStartObject();
        WriteFields(writer, reader, resource, representation);
        for (var i = 0; i < included.Count; i++)
            included[i].Write(writer, reader, resource);
        writer.WriteEndObject();
    }

    public static void WriteFields(Utf8JsonWriter writer, NpgsqlDataReader reader, ResourceModel resource, Representation representation)
    {
        var columns = resource.Table.Columns;
        for (var i = 0; i < columns.Count; i++)
            if (representation.Fields is null || representation.Fields.Contains(i))
                WriteField(writer, reader, columns[i], i);
    }

    public static void WriteField(Utf8JsonWriter writer, NpgsqlDataReader reader, Column column, int ordinal)
    {
        writer.WritePropertyName(column.JsonName);
        // A column that takes no null has none, which its constraint in the database sees to.
        if (column.Member.IsNullable && reader.IsDBNull(ordinal))
            writer.WriteNullValue();
        else
            column.Type.WriteJson(reader, ordinal, writer);
    }
}
