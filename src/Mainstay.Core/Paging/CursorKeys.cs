namespace Mainstay.Internal;

/// <summary>A key that signs cursors.</summary>
/// <param name="Id">Stands in every cursor it has signed. Grows with each key.</param>
/// <param name="Secret">32 random bytes.</param>
/// <param name="From">When it begins to sign. It verifies as soon as it is known.</param>
internal sealed record CursorKey(int Id, byte[] Secret, DateTimeOffset From);

/// <summary>The keys that this node knows, by id. Never changed, only replaced by a newer list.</summary>
internal sealed class CursorKeys
{
    private readonly CursorKey[] _keys;

    public CursorKeys(IEnumerable<CursorKey> keys)
    {
        _keys = [.. keys.OrderBy(key => key.Id)];
        if (_keys.Length == 0)
            throw new ArgumentException("There is no key to sign cursors with.", nameof(keys));
    }

    /// <summary>The id of the newest key. A cursor with a greater one is forged, or its key was made after this list was read.</summary>
    public int Newest => _keys[^1].Id;

    /// <summary>The key that signs now: the newest that has begun.</summary>
    public CursorKey Current(DateTimeOffset now)
    {
        var at = _keys.Length - 1;
        while (at > 0 && _keys[at].From > now)
            at--;
        return _keys[at];
    }

    public CursorKey? Find(int id) => Array.Find(_keys, key => key.Id == id);
}
