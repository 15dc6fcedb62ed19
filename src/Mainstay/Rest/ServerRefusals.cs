using System.Buffers;
using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// Gives a problem document to what the server refuses before any middleware runs: a broken request line, headers without end, two hosts, slow headers.
/// </summary>
/// <remarks>
/// Kestrel announces each refusal by a diagnostic event just before it would write a bodiless answer. Starting the answer here takes its place, so
/// only refusals are touched, and a request that is served costs nothing but the question whether anybody listens. The body goes to the
/// transport itself, because there is no response body before there is a request. HTTP/2 refuses by resetting the stream, which stays as it is.
/// </remarks>
internal sealed class ServerRefusals(WireFormat format, ILogger log) : IObserver<KeyValuePair<string, object?>>
{
    private const string EventName = "Microsoft.AspNetCore.Server.Kestrel.BadRequest";

    public static void Answer(WebApplication app, WireFormat format, ILogger log) =>
        app.Services.GetRequiredService<DiagnosticListener>().Subscribe(new ServerRefusals(format, log), static name => name == EventName);

    public void OnNext(KeyValuePair<string, object?> occurred)
    {
        if (occurred.Value is not IFeatureCollection features
            || features.Get<IBadRequestExceptionFeature>()?.Error is not BadHttpRequestException error
            || features.Get<IHttpRequestFeature>() is not { } request || request.Protocol is "HTTP/2" or "HTTP/3"
            || features.Get<IHttpResponseFeature>() is not { HasStarted: false } response
            || features.Get<IHttpResponseBodyFeature>() is not { } head
            || features.Get<IConnectionTransportFeature>()?.Transport is not { } transport)
            return;
        var requestId = RequestIds.For(request.Headers);
        var problem = HttpProblems.OfServer(error);
        var answer = format.Problem(problem, requestId);
        response.StatusCode = answer.Status;
        response.Headers.Clear();
        foreach (var (name, value) in answer.Headers)
            response.Headers[name] = value;
        response.Headers["Request-Id"] = requestId;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.Connection = "close";
        response.Headers.ContentLength = answer.Body.Length;
        // Both write to a buffer; what does not fit is sent while the connection is closed in order.
        _ = head.StartAsync();
        if (!HttpMethods.IsHead(request.Method))
            transport.Output.Write(answer.Body.Span);
        _ = transport.Output.FlushAsync().AsTask();
        EdgeLog.Refused(log, answer.Status, problem.Type.Code, requestId);
    }

    public void OnCompleted()
    {
    }

    public void OnError(Exception error)
    {
    }
}

internal static partial class EdgeLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "The server refused what is no request it can read: {Status} {Code}, request {RequestId}")]
    public static partial void Refused(ILogger log, int status, string code, string requestId);
}
