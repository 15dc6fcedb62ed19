using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Mainstay.Internal;

/// <summary>A result as the bytes that are sent: once now, and again for every repetition.</summary>
internal sealed class RenderedAnswer(Answer kept) : IResult, IStatusCodeHttpResult
{
    public Answer Kept => kept;

    public int? StatusCode => kept.Status;

    private IReadOnlyList<KeyValuePair<string, StringValues>> Once { get; init; } = [];

    /// <exception cref="ProblemException"><c>answer-too-large</c>: it is larger than may be kept.</exception>
    /// <exception cref="ConfigurationException">MST2006: it has a part that cannot be kept.</exception>
    public static async Task<RenderedAnswer> RenderAsync(HttpContext http, IResult result, int bytesMost)
    {
        using var body = new LimitedBuffer(bytesMost, Receipts.TooLarge);
        var response = new Rendering(http);
        try
        {
            await response.RunAsync(result, body);
        }
        catch (Exception) when (body.IsOver)
        {
            throw Receipts.TooLarge(bytesMost); // whatever the result made of it
        }
        if (body.IsOver)
            throw Receipts.TooLarge(bytesMost);
        if (response.Mistake is { } mistake)
            throw new ConfigurationException("MST2006", $"The answer of '{http.GetEndpoint()?.DisplayName}' {mistake}, so it cannot be kept under an Idempotency-Key, and nothing was committed.");
        var answer = new Answer(response.StatusCode, body.ToArray())
        {
            Headers = [.. response.Headers.Where(header => Answer.IsKept(header.Key)).Select(header => KeyValuePair.Create(header.Key, header.Value.ToString()))],
        };
        return new RenderedAnswer(answer) { Once = [.. response.Headers.Where(header => header.Key.Equals("Set-Cookie", StringComparison.OrdinalIgnoreCase))] };
    }

    public Task ExecuteAsync(HttpContext httpContext)
    {
        foreach (var (name, values) in Once)
            httpContext.Response.Headers.Append(name, values);
        if (kept.IsReplayed)
            IdempotencyMetrics.Replayed((httpContext.GetEndpoint() as Microsoft.AspNetCore.Routing.RouteEndpoint)?.RoutePattern.RawText, kept.Status);
        return AnswerSender.SendAsIsAsync(httpContext, kept);
    }
}

/// <summary>
/// The same request with a response of its own, which goes into memory. What a result does to a response that is sent happens here too: it may flush,
/// write through the pipe, send a file, and set headers at the start. The client may go away meanwhile; half an answer is never kept.
/// </summary>
internal sealed class Rendering(HttpContext http) : HttpResponseFeature, IHttpRequestLifetimeFeature, IHttpResponseTrailersFeature
{
    private readonly Stack<(Func<object, Task> Callback, object State)> _starting = new();

    /// <summary>Why this cannot be kept, or null.</summary>
    public string? Mistake { get; private set; }

    CancellationToken IHttpRequestLifetimeFeature.RequestAborted { get; set; } = CancellationToken.None;

    IHeaderDictionary IHttpResponseTrailersFeature.Trailers { get; set; } = new HeaderDictionary();

    public async Task RunAsync(IResult result, Stream body)
    {
        var features = new FeatureCollection(http.Features);
        features.Set<IHttpResponseFeature>(this);
        features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(body));
        features.Set<IHttpRequestLifetimeFeature>(this);
        features.Set<IHttpResponseTrailersFeature>(this);
        features.Set<IResponseCookiesFeature>(new ResponseCookiesFeature(features));
        // Made at first use, so it may not be among the request's features yet.
        features.Set<IServiceProvidersFeature>(new ServiceProvidersFeature { RequestServices = http.RequestServices });
        var rendering = new DefaultHttpContext(features);
        await result.ExecuteAsync(rendering);
        await rendering.Response.CompleteAsync();
        while (_starting.TryPop(out var last))
            await last.Callback(last.State);
        if (((IHttpResponseTrailersFeature)this).Trailers.Count > 0)
            Mistake = "has trailers";
    }

    public override void OnStarting(Func<object, Task> callback, object state) => _starting.Push((callback, state));

    public override void OnCompleted(Func<object, Task> callback, object state) => http.Response.OnCompleted(callback, state);

    void IHttpRequestLifetimeFeature.Abort() => Mistake = "was aborted while it was made";
}

/// <summary>A refusal of the block itself, through the application's own way of writing problem documents.</summary>
internal sealed class ProblemAnswer(ProblemException problem, Uri? documentation = null) : IResult, IStatusCodeHttpResult
{
    public int? StatusCode => problem.Type.Status;

    public Task ExecuteAsync(HttpContext httpContext)
    {
        httpContext.Response.Headers.CacheControl = "no-store";
        if (documentation is not null)
            httpContext.Response.Headers.Append("Link", $"<{documentation.OriginalString}>; rel=\"describedby\"");
        if (problem.RetryAfter is { } after)
            httpContext.Response.Headers.RetryAfter = ((int)Math.Ceiling(after.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
        return TypedResults.Problem(problem.Message, statusCode: problem.Type.Status, title: problem.Type.Title,
            extensions: new Dictionary<string, object?> { ["code"] = problem.Type.Code }).ExecuteAsync(httpContext);
    }
}

/// <summary>Memory with a limit.</summary>
internal sealed class LimitedBuffer(int most, Func<int, Exception> tooLarge) : MemoryStream
{
    /// <summary>Whether more was written than it holds.</summary>
    public bool IsOver { get; private set; }

    // All other ways to write to a derived MemoryStream lead through these two.
    public override void Write(byte[] buffer, int offset, int count)
    {
        Demand(count);
        base.Write(buffer, offset, count);
    }

    public override void WriteByte(byte value)
    {
        Demand(1);
        base.WriteByte(value);
    }

    private void Demand(int count)
    {
        if (Position + count <= most)
            return;
        IsOver = true;
        throw tooLarge(most);
    }
}
