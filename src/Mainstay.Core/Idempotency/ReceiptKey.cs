namespace Mainstay.Internal;

/// <summary>What identifies a keyed request: whose key it is, the key, and what was asked.</summary>
/// <param name="Scope">The principal (later also the tenant), so that callers cannot see or block each other's keys.</param>
/// <param name="Key">The client's idempotency key.</param>
/// <param name="Fingerprint">SHA-256 of method, path, query, content type and body.</param>
internal sealed record ReceiptKey(string Scope, string Key, byte[] Fingerprint);
