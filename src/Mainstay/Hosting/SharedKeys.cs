using System.Security.Cryptography;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>Keys that all nodes of an application share, made by whichever comes first.</summary>
internal static class SharedKeys
{
    public static async Task<byte[]> GetAsync(Database database, string name)
    {
        await using var command = database.Source.CreateCommand("""
            with made as (insert into mainstay.keys (name, value) values ($1, $2) on conflict (name) do nothing returning value)
            select value from made union all select value from mainstay.keys where name = $1 limit 1
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = RandomNumberGenerator.GetBytes(32) });
        // Two nodes at once: the loser's insert does nothing and its snapshot does not see the winner's row yet; the next statement does.
        return (byte[]?)await command.ExecuteScalarAsync() ?? (byte[])(await command.ExecuteScalarAsync())!;
    }
}
