using System.Globalization;
using System.Text;
using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>What came back from a call.</summary>
public sealed class TestReply
{
    private readonly TestLog _log;

    internal TestReply(int status, byte[] bytes, IReadOnlyDictionary<string, string> headers, TestLog log) => (Status, Bytes, Headers, _log) = (status, bytes, headers, log);

    /// <summary>The HTTP status.</summary>
    public int Status { get; }

    /// <summary>The body.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>The headers, several lines of one name joined by commas.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; }

    /// <summary>The body as text.</summary>
    public string Text => Encoding.UTF8.GetString(Bytes.Span);

    /// <summary>The body as JSON.</summary>
    public JsonElement Json => JsonElement.Parse(Text);

    /// <summary>The result inside its envelope.</summary>
    public JsonElement Data => Json.GetProperty("data");

    /// <summary>The code of a refusal.</summary>
    public string Code => Json.GetProperty("code").GetString() ?? "";

    /// <summary>The value of a header, or null.</summary>
    public string? Header(string name) => Headers.GetValueOrDefault(name);

    /// <summary>The result as a record of the application, or a list of records.</summary>
    public T Read<T>() => (T)(StoredJson.Read(typeof(T), Data.GetRawText()) ?? throw new InvalidOperationException($"The result is null, expected {typeof(T).Name}."));

    /// <summary>Fails with everything that came back, and with what the backend logged about it, unless the status is the expected one.</summary>
    /// <param name="status">The expected status.</param>
    /// <exception cref="InvalidOperationException">It is another one.</exception>
    public TestReply Expect(int status) => Status == status ? this : throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"The status is {Status}, expected {status}.\n{this}"));

    /// <summary>Status, headers and body; of an internal error also what was logged last.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Status}\n");
        foreach (var (name, value) in Headers)
            text.Append(CultureInfo.InvariantCulture, $"{name}: {value}\n");
        text.Append('\n').Append(Text);
        if (Status >= 500 && _log.Lines.LastOrDefault(line => line.StartsWith("Error", StringComparison.Ordinal)) is { } error)
            text.Append("\n\nLogged last: ").Append(error);
        return text.ToString();
    }
}
