using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;
using Npgsql;

namespace Mainstay.Benchmarks;

/// <summary>
/// Recorded statements as a script of pgbench: the same statements in one pipeline, their parameters as parameters. What must be new in every transaction,
/// ids and the key, is made from a counter; everything else keeps the value it had.
/// </summary>
/// <param name="Text">The script.</param>
/// <param name="Variables">Its parameters that never change.</param>
internal sealed partial record PgbenchScript(string Text, IReadOnlyDictionary<string, string> Variables)
{
    // A hash may be a key, an answer is none.
    private const int BytesOfKeysMost = 64;

    /// <summary>Makes the script from the same request, sent twice with different keys.</summary>
    public static async Task<PgbenchScript> CreateAsync(BenchmarkDatabase database, WireStatement[] pipeline, WireStatement[] repetition, string key)
    {
        if (!pipeline.Select(statement => statement.Sql).SequenceEqual(repetition.Select(statement => statement.Sql)))
            throw new MeasurementException("The same request was sent as different statements twice, so there is no one script for it.");
        var parameters = pipeline.SelectMany(statement => statement.Parameters).ToArray();
        var repeated = repetition.SelectMany(statement => statement.Parameters).ToArray();
        var (types, values) = await DecodeAsync(database, parameters);

        var variables = new Dictionary<string, string>();
        var script = new StringBuilder("\\set n :n + 1\n\\set id :n * 256 + :client_id\n\\startpipeline\n");
        var first = 0;
        foreach (var statement in pipeline)
        {
            var at = first;
            script.Append(Placeholder().Replace(statement.Sql, match =>
            {
                var number = at + int.Parse(match.Groups["number"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture) - 1;
                var isVarying = !parameters[number].Value.AsSpan().SequenceEqual(repeated[number].Value);
                if (Unique(types[number], values[number], isVarying, key) is { } expression)
                    return expression;
                if (values[number] is not { } value)
                    return $"null::{types[number]}";
                variables[$"p{number}"] = value;
                return $":p{number}::{types[number]}";
            })).Append(";\n");
            first += statement.Parameters.Length;
        }
        return new PgbenchScript(script.Append("\\endpipeline\n").ToString(), variables);
    }

    /// <summary>An expression that has another value in every transaction, or null where the recorded value will do.</summary>
    private static string? Unique(string type, string? value, bool isVarying, string key)
    {
        const string uuid = "('01a00000-0000-7000-8000-' || lpad(to_hex(:id::bigint), 12, '0'))::uuid";
        return (type, isVarying) switch
        {
            (_, false) => null,
            ("uuid", _) => uuid,
            ("uuid[]", _) => $"array[{uuid}]",
            ("bigint", _) => ":id::bigint",
            ("bytea", _) when value!.Length < 2 * BytesOfKeysMost => $"decode(lpad(to_hex(:id::bigint), {value.Length - 2}, '0'), 'hex')",
            ("text", _) when value!.Contains(key, StringComparison.Ordinal) => "('key-' || :id::text)",
            _ => null,
        };
    }

    /// <summary>PostgreSQL itself reads the values from their binary form, whatever their types, by way of a copy.</summary>
    private static async Task<(string[] Types, string?[] Values)> DecodeAsync(BenchmarkDatabase database, WireParameter[] parameters)
    {
        await using var connection = new NpgsqlConnection(database.ConnectionString);
        await connection.OpenAsync();
        var types = new string[parameters.Length];
        for (var i = 0; i < types.Length; i++)
        {
            await using var name = new NpgsqlCommand("select format_type($1, null)", connection) { Parameters = { new NpgsqlParameter { Value = parameters[i].Type, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Oid } } };
            types[i] = parameters[i].Type == 0 ? "text" : (string)(await name.ExecuteScalarAsync())!;
        }
        var columns = types.Select((type, at) => $"c{at} {(parameters[at].IsBinary ? type : "text")}");
        await using (var create = new NpgsqlCommand($"create temporary table wire ({string.Join(", ", columns)})", connection))
            await create.ExecuteNonQueryAsync();
        await using (var copy = await connection.BeginRawBinaryCopyAsync("copy wire from stdin (format binary)"))
            await copy.WriteAsync(Row(parameters));
        await using var read = new NpgsqlCommand($"select {string.Join(", ", types.Select((_, at) => $"c{at}::text"))} from wire", connection);
        await using var reader = await read.ExecuteReaderAsync();
        await reader.ReadAsync();
        return (types, [.. types.Select((_, at) => reader.IsDBNull(at) ? null : reader.GetString(at))]);
    }

    private static ReadOnlyMemory<byte> Row(WireParameter[] parameters)
    {
        var bytes = new MemoryStream();
        void Int32(int value)
        {
            Span<byte> field = stackalloc byte[4];
            BinaryPrimitives.WriteInt32BigEndian(field, value);
            bytes.Write(field);
        }
        void Int16(int value) => bytes.Write([(byte)(value >> 8), (byte)value]);
        bytes.Write([.. "PGCOPY\n"u8, 0xff, .. "\r\n\0"u8]);
        Int32(0);
        Int32(0);
        Int16(parameters.Length);
        foreach (var parameter in parameters)
        {
            Int32(parameter.Value?.Length ?? -1);
            bytes.Write(parameter.Value);
        }
        Int16(-1);
        return bytes.GetBuffer().AsMemory(0, (int)bytes.Length);
    }

    [GeneratedRegex(@"\$(?<number>\d+)")]
    private static partial Regex Placeholder();
}
