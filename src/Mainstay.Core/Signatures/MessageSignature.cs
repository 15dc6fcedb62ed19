using System.Text;

namespace Mainstay.Internal;

/// <summary>
/// One signature of an HTTP message (RFC 9421): what <c>Signature-Input</c> says it covers, and the bytes of <c>Signature</c>. Whether it is true is
/// asked of the key with <see cref="Base"/>.
/// </summary>
/// <param name="Label">The name under which both fields have it.</param>
/// <param name="Input">Covered components with the signature's parameters.</param>
/// <param name="Value">The signature itself.</param>
internal sealed record MessageSignature(string Label, FieldList Input, byte[] Value)
{
    /// <summary>Longest of each of the two fields, in characters.</summary>
    public const int FieldMost = 8 * 1024;

    /// <summary>Most signatures in one message, and most components that one covers.</summary>
    public const int SignaturesMost = 4, ComponentsMost = 32;

    public string? KeyId => Text("keyid");

    public string? Algorithm => Text("alg");

    public string? Nonce => Text("nonce");

    public long? Created => Parameter("created") as long?;

    public long? Expires => Parameter("expires") as long?;

    /// <summary>All signatures, or null when the two fields cannot be understood or do not belong together.</summary>
    public static IReadOnlyList<MessageSignature>? Read(string signatureInput, string signature)
    {
        if (signatureInput.Length > FieldMost || signature.Length > FieldMost
            || StructuredFields.ReadDictionary(signatureInput) is not { Count: > 0 and <= SignaturesMost } inputs || StructuredFields.ReadDictionary(signature) is not { } values || values.Count != inputs.Count)
            return null;
        var signatures = new List<MessageSignature>();
        foreach (var (label, value) in inputs)
        {
            if (value is not FieldList { Items.Count: <= ComponentsMost } list || values.FirstOrDefault(known => known.Key == label).Value is not FieldItem { Value: byte[] bytes })
                return null;
            // Names are lower case and each component, with its parameters, is covered once; anything else could be read in two ways.
            if (list.Items.Any(item => item.Value is not string name || name.Length == 0 || name.Any(char.IsAsciiLetterUpper)) || list.Items.Select(StructuredFields.Write).Distinct(StringComparer.Ordinal).Count() != list.Items.Count)
                return null;
            // A parameter of the wrong type would look as if it were missing, and what it limits would have no limit.
            if (list.Parameters.Any(parameter => parameter switch { { Key: "created" or "expires" } => parameter.Value is not long, { Key: "keyid" or "alg" or "nonce" or "tag" } => parameter.Value is not string, _ => false }))
                return null;
            signatures.Add(new MessageSignature(label, list, bytes));
        }
        return signatures;
    }

    /// <summary>Whether a component without parameters is covered.</summary>
    public bool Covers(string name) => Input.Items.Any(item => item.Parameters.Count == 0 && item.Value is string known && known == name);

    /// <summary>
    /// The signature base (RFC 9421 §2.5): one line for each covered component, and the parameters as the last line. Null when the message lacks one of
    /// the components.
    /// </summary>
    /// <param name="valueOf">A component's value in the message, or null.</param>
    public byte[]? Base(Func<FieldItem, string?> valueOf)
    {
        var text = new StringBuilder();
        foreach (var component in Input.Items)
        {
            if (valueOf(component) is not { } value || value.AsSpan().ContainsAny('\r', '\n'))
                return null;
            text.Append(StructuredFields.Write(component)).Append(": ").Append(value).Append('\n');
        }
        text.Append("\"@signature-params\": ").Append(StructuredFields.Write(Input));
        return Encoding.Latin1.GetBytes(text.ToString());
    }

    private string? Text(string name) => Parameter(name) as string;

    private object? Parameter(string name) => Input.Parameters.FirstOrDefault(parameter => parameter.Key == name).Value;
}
