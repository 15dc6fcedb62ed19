using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>
/// Around everything that a request meets, the router included: its id, headers that every answer has, a problem document for every refusal
/// that has no body yet, and one log line.
/// </summary>
internal sealed class HttpEdge(BackendServices services, RouteTable routes, ILogger log, RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext http)
    {
        var started = services.Clock.GetTimestamp();
        var requestId = RequestIds.Assign(http);
        http.Response.Headers["Request-Id"] = requestId;
        http.Response.Headers.XContentTypeOptions = "nosniff";
        try
        {
            await next(http);
            if (!http.Response.HasStarted && http.Response.ContentLength is null && http.Features.Get<CallFeature>() is null)
                await CompleteAsync(http);
        }
        catch (ProblemException e) when (!http.Response.HasStarted)
        {
            await RefuseAsync(http, e);
        }
        catch (BadHttpRequestException e) when (!http.Response.HasStarted)
        {
            CloseAfter(http);
            await RefuseAsync(http, HttpProblems.Of(e));
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            http.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
        }
        catch (Exception e) when (!http.Response.HasStarted)
        {
            PipelineLog.Failed(log, $"{http.Request.Method} {http.Request.Path}", requestId, e);
            await RefuseAsync(http, ProblemCatalogue.InternalError.Because($"Something went wrong on our side. Quote request {requestId} when you report it."));
        }
        Log(http, services.Clock.GetElapsedTime(started), requestId);
    }

    /// <summary>Ends the connection with this answer, because nobody can tell where the next request would begin. HTTP/2 frames its requests.</summary>
    public static void CloseAfter(HttpContext http)
    {
        if (HttpProtocol.IsHttp11(http.Request.Protocol) || HttpProtocol.IsHttp10(http.Request.Protocol))
            http.Response.Headers.Connection = "close";
    }

    private Task RefuseAsync(HttpContext http, ProblemException problem) => AnswerSender.SendAsync(http, services.Format.Problem(problem, RequestIds.Of(http)));

    /// <summary>The router answers with a bare status; clients get a problem document, and OPTIONS the methods that exist.</summary>
    private Task CompleteAsync(HttpContext http)
    {
        var (response, method, path) = (http.Response, http.Request.Method, http.Request.Path.Value ?? "");
        if (response.StatusCode is not (StatusCodes.Status404NotFound or StatusCodes.Status405MethodNotAllowed))
            return HttpProblems.Of(response.StatusCode) is { } other ? RefuseAsync(http, other) : Task.CompletedTask;
        var isOptions = HttpMethods.IsOptions(method);
        // A 404 of an endpoint itself is none of the router's: the path exists, what it names does not.
        var allow = isOptions && path.Length == 0 ? RouteTable.AllOfServer : http.GetEndpoint() is null or not Microsoft.AspNetCore.Routing.RouteEndpoint ? routes.AllowOf(path) : null;
        if (allow is null || (!isOptions && allow.Split(", ").Contains(method)))
        {
            response.Headers.Remove("Allow");
            return RefuseAsync(http, HttpProblems.NotFound(path, routes.SuggestionFor(path)));
        }
        response.Headers.Allow = allow;
        if (!isOptions)
            return RefuseAsync(http, HttpProblems.MethodNotAllowed(path, method, allow));
        response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    private void Log(HttpContext http, TimeSpan elapsed, string requestId)
    {
        if (!log.IsEnabled(LogLevel.Information) || http.Request.Path.StartsWithSegments("/health"))
            return;
        var feature = http.Features.Get<CallFeature>();
        new RequestLine
        {
            Method = http.Request.Method,
            Path = http.Request.Path,
            Status = http.Response.StatusCode,
            Elapsed = elapsed,
            Operation = feature?.Call.Operation.Name,
            User = feature?.Call.User.Id,
            RoundTrips = feature?.Call.Usage.RoundTrips ?? 0,
            Statements = feature?.Call.Usage.Statements ?? 0,
            Attempts = feature?.Call.Usage.Attempts ?? 0,
            IsReplayed = feature?.Answer.IsReplayed ?? false,
            RequestId = requestId,
            TraceId = Activity.Current?.TraceId.ToHexString(),
            Application = services.Name,
        }.Log(log);
    }
}

/// <summary>What an operation did, for the log line of its request.</summary>
internal sealed record CallFeature(Call Call, Answer Answer);
