using Npgsql;

namespace Mainstay.Internal;

/// <summary>The nonces of signed requests that were accepted, for as long as their signatures would be: every node sees the same.</summary>
internal sealed class SignatureNonces(Database database)
{
    /// <summary>Each new one removes a few that nobody could use any more, so nothing else has to clean up.</summary>
    private const string Remember = """
        with expired as (
            delete from mainstay.signature_nonces where ctid = any (array(
                select ctid from mainstay.signature_nonces where expires_at <= mainstay.now() order by expires_at limit 4 for update skip locked)))
        insert into mainstay.signature_nonces (key_id, nonce, expires_at) values ($1, $2, mainstay.now() + $3)
        on conflict do nothing
        """;

    /// <summary>Remembers it. False: it was used before.</summary>
    public async Task<bool> TryUseAsync(string keyId, string nonce, TimeSpan lifetime, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(Remember);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = keyId });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = nonce });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = lifetime });
        return await command.ExecuteNonQueryAsync(cancellation) == 1;
    }
}
