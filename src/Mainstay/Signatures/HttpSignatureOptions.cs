using Microsoft.AspNetCore.Authentication;

namespace Mainstay;

/// <summary>How signed requests are checked.</summary>
public sealed class HttpSignatureOptions : AuthenticationSchemeOptions
{
    /// <summary>The keys of the clients. They are secrets: fill this from configuration or a store of secrets, never from source code.</summary>
    public IList<HttpSignatureKey> Keys { get; } = [];

    /// <summary>Finds a key by its id, for keys that are stored elsewhere; null when there is none. Default: looks among <see cref="Keys"/>.</summary>
    public Func<string, CancellationToken, ValueTask<HttpSignatureKey?>>? FindKey { get; set; }

    /// <summary>How old a signature may be, and how far ahead of this machine's clock. Default: 5 min, at most an hour.</summary>
    public TimeSpan AgeMost { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Whether requests that change something must carry a <c>nonce</c>, so that nobody can send them again. A nonce that is given is always remembered,
    /// whatever the method. Default: true.
    /// </summary>
    public bool RequireNonce { get; set; } = true;

    /// <summary>The largest body of a signed request, in bytes: it is held in memory for its digest. Default: 1 MiB.</summary>
    public int BodyBytesMost { get; set; } = 1024 * 1024;

    /// <exception cref="ConfigurationException">MST2601: all that is wrong.</exception>
    public override void Validate()
    {
        List<ConfigurationException> mistakes = [];
        void Expect(bool holds, string message)
        {
            if (!holds)
                mistakes.Add(new("MST2601", message));
        }
        Expect(Keys.Count > 0 || FindKey is not null, "HttpSignatureOptions has neither Keys nor FindKey, so no signature could be checked. Add the keys of your clients.");
        foreach (var key in Keys)
            if (key.Fault() is { } fault)
                mistakes.Add(new("MST2601", $"The signature key '{key.Id}' {fault}."));
        foreach (var id in Keys.GroupBy(key => key.Id, StringComparer.Ordinal).Where(group => group.Count() > 1))
            mistakes.Add(new("MST2601", $"The signature key '{id.Key}' is given {id.Count()} times. Give a new key a new id; the subject may stay."));
        Expect(AgeMost > TimeSpan.Zero && AgeMost <= TimeSpan.FromHours(1), $"HttpSignatureOptions.AgeMost is {AgeMost}, expected more than zero and at most 1 h.");
        Expect(BodyBytesMost is > 0 and <= 64 * 1024 * 1024, $"HttpSignatureOptions.BodyBytesMost is {BodyBytesMost}, expected 1 to 67108864 bytes.");
        if (mistakes.Count > 0)
            throw new ConfigurationException(mistakes);
    }
}
