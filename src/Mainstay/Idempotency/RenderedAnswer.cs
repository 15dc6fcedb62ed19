using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Mainstay.Internal;

/// <summary>A result as the bytes that are sent: once now, and again for every repetition.</summary>
internal sealed class RenderedAnswer(Answer kept) : IResult, IStatusCodeHttpResult
{
    /// <summary>Headers that belong to one response and not to the answer. The cookie of a repetition would be another one's session.</summary>
    private static readonly HashSet<string> once = new(StringComparer.OrdinalIgnoreCase)
        { "Set-Cookie", "Date", "Request-Id", "RateLimit", "RateLimit-Policy", "Server", "Connection", "Transfer-Encoding", "Content-Length" };

    public Answer Kept => kept;

    public int? StatusCode => kept.Status;

    private IReadOnlyList<KeyValuePair<string, StringValues>> Once { get; init; } = [];

    /// <exception cref="ConfigurationException">MST2006: it is larger than may be kept.</exception>
    public static async Task<RenderedAnswer> RenderAsync(HttpContext http, IResult result, int bytesMost)
    {
        using var body = new LimitedBuffer(bytesMost, most => new ConfigurationException("MST2006",
            $"The answer of '{http.GetEndpoint()?.DisplayName}' is larger than {most} bytes, so it is not kept under an Idempotency-Key, and nothing was committed. Answer with the location of the result, or raise IdempotencyOptions.AnswerBytesMost."));
        // The same request with a response of its own, which goes nowhere.
        var response = new HttpResponseFeature();
        var features = new FeatureCollection(http.Features);
        features.Set<IHttpResponseFeature>(response);
        features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(body));
        features.Set<IResponseCookiesFeature>(new ResponseCookiesFeature(features));
        // Made at first use, so it may not be among the request's features yet.
        features.Set<IServiceProvidersFeature>(new ServiceProvidersFeature { RequestServices = http.RequestServices });
        var rendering = new DefaultHttpContext(features);
        await result.ExecuteAsync(rendering);
        await rendering.Response.CompleteAsync();

        var answer = new Answer(response.StatusCode, body.ToArray())
        {
            Headers = [.. response.Headers.Where(header => !once.Contains(header.Key)).Select(header => KeyValuePair.Create(header.Key, header.Value.ToString()))],
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

/// <summary>A refusal of the block itself, through the application's own way of writing problem documents.</summary>
internal sealed class ProblemAnswer(ProblemException problem) : IResult, IStatusCodeHttpResult
{
    public int? StatusCode => problem.Type.Status;

    public Task ExecuteAsync(HttpContext httpContext)
    {
        httpContext.Response.Headers.CacheControl = "no-store";
        if (problem.RetryAfter is { } after)
            httpContext.Response.Headers.RetryAfter = ((int)Math.Ceiling(after.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
        return TypedResults.Problem(problem.Message, statusCode: problem.Type.Status, title: problem.Type.Title,
            extensions: new Dictionary<string, object?> { ["code"] = problem.Type.Code }).ExecuteAsync(httpContext);
    }
}

/// <summary>Memory with a limit.</summary>
internal sealed class LimitedBuffer(int most, Func<int, Exception> tooLarge) : MemoryStream
{
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
        if (Position + count > most)
            throw tooLarge(most);
    }
}
