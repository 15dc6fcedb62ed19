using System.Text.Encodings.Web;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>How JSON is written and parsed everywhere.</summary>
internal static class JsonFormat
{
    /// <summary>Deepest nesting of an input document.</summary>
    public const int DepthMost = 32;

    /// <summary>Text stays readable: only what JSON demands is escaped. Answers carry <c>nosniff</c>, so nothing reads them as HTML.</summary>
    public static readonly JsonWriterOptions Writer = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    public static readonly JsonDocumentOptions Strict = new() { MaxDepth = DepthMost, AllowTrailingCommas = false, CommentHandling = JsonCommentHandling.Disallow };
}
