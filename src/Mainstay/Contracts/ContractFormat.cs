using System.Text.Encodings.Web;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>JSON for people: quotes and comparison signs as they are.</summary>
internal static class ContractFormat
{
    public static readonly JsonSerializerOptions Text = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
