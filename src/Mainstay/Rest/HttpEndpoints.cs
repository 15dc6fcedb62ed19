using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>Serves operations over HTTP: routes, the sending of answers, and problem documents for whatever the router refuses.</summary>
internal static class HttpEndpoints
{
    /// <summary>Longest request target (path and query), in characters.</summary>
    public const int TargetMost = 8 * 1024;

    /// <summary>Longest header fields, names and values together, in characters.</summary>
    public const int HeadersMost = 32 * 1024;

    private static readonly string[] getAndHead = ["GET", "HEAD"];

    public static void Map(WebApplication app, BackendModel model, BackendServices services)
    {
        var log = app.Services.GetRequiredService<ILogger<OperationPipeline>>();
        CorsHeaders.UseAround(app);
        app.Use((http, next) => AroundAsync(http, next, services, log));
        app.UseRouting();
        CorsHeaders.UsePreflights(app);
        var pipeline = app.Services.GetRequiredService<OperationPipeline>();
        var authenticator = app.Services.GetRequiredService<Authenticator>();
        foreach (var operation in model.Operations)
            app.MapMethods(operation.Pattern, operation.Method == "GET" ? getAndHead : [operation.Method], http => CallAsync(http, operation, pipeline, services, authenticator));
        HealthEndpoints.Map(app, services);
    }

    private static async Task CallAsync(HttpContext http, Operation operation, OperationPipeline pipeline, BackendServices services, Authenticator authenticator)
    {
        var call = new Call(operation, new HttpIncoming(http, authenticator), services, RequestIds.Of(http), http.RequestAborted);
        var answer = await pipeline.RunAsync(call);
        http.Features.Set(new CallFeature(call, answer));
        RateLimitFields.Write(http.Response.Headers, operation.RateLimits, call.Limited);
        await SendAsync(http, answer);
    }

    /// <summary>Sends a complete answer: status, headers, length, body, and no body for HEAD.</summary>
    public static async Task SendAsync(HttpContext http, Answer answer)
    {
        var response = http.Response;
        response.StatusCode = answer.Status;
        foreach (var (name, value) in answer.Headers)
            response.Headers[name] = value;
        if (answer.IsReplayed)
            response.Headers["Idempotency-Replayed"] = "true";
        if (answer.Status is 204 or 304)
            return;
        response.ContentLength = answer.Body.Length;
        if (!HttpMethods.IsHead(http.Request.Method))
            await response.Body.WriteAsync(answer.Body, http.RequestAborted);
    }

    /// <summary>Around everything, the router included: request id, safe headers, a problem document for every refusal without a body, one log line.</summary>
    private static async Task AroundAsync(HttpContext http, RequestDelegate next, BackendServices services, ILogger log)
    {
        var started = services.Clock.GetTimestamp();
        var requestId = RequestIds.Assign(http);
        http.Response.Headers["Request-Id"] = requestId;
        http.Response.Headers.XContentTypeOptions = "nosniff";
        try
        {
            RefuseOversized(http);
            await next(http);
            if (!http.Response.HasStarted && http.Response.ContentLength is null && http.Features.Get<CallFeature>() is null)
                await CompleteAsync(http, services, requestId);
        }
        catch (ProblemException e) when (!http.Response.HasStarted)
        {
            await SendAsync(http, services.Format.Problem(e, requestId));
        }
        catch (BadHttpRequestException e) when (!http.Response.HasStarted)
        {
            await SendAsync(http, services.Format.Problem(HttpProblems.Of(e), requestId));
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            http.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
        }
        catch (Exception e) when (!http.Response.HasStarted)
        {
            PipelineLog.Failed(log, $"{http.Request.Method} {http.Request.Path}", requestId, e);
            await SendAsync(http, services.Format.Problem(ProblemCatalogue.InternalError.Because($"Something went wrong on our side. Quote request {requestId} when you report it."), requestId));
        }
        Log(http, services, log, services.Clock.GetElapsedTime(started), requestId);
    }

    /// <exception cref="ProblemException"><c>uri-too-long</c> or <c>headers-too-large</c>.</exception>
    private static void RefuseOversized(HttpContext http)
    {
        if (http.Features.Get<IHttpRequestFeature>()!.RawTarget.Length > TargetMost)
            throw ProblemCatalogue.UriTooLong.Because($"The request target is longer than {TargetMost} characters. Ask for less at once.");
        var length = 0;
        foreach (var (name, values) in http.Request.Headers)
            foreach (var value in values)
                length += name.Length + (value?.Length ?? 0);
        if (length > HeadersMost)
            throw ProblemCatalogue.HeadersTooLarge.Because($"The header fields are longer than {HeadersMost} characters together. Send fewer or shorter ones.");
    }

    /// <summary>The router answers with a bare status; clients get a problem document, and OPTIONS the methods that exist.</summary>
    private static Task CompleteAsync(HttpContext http, BackendServices services, string requestId)
    {
        var status = http.Response.StatusCode;
        var allow = http.Response.Headers.Allow.ToString();
        if (status == StatusCodes.Status405MethodNotAllowed)
        {
            http.Response.Headers.Allow = allow.Contains("OPTIONS", StringComparison.Ordinal) ? allow : allow + ", OPTIONS";
            if (HttpMethods.IsOptions(http.Request.Method))
            {
                http.Response.StatusCode = StatusCodes.Status204NoContent;
                return Task.CompletedTask;
            }
        }
        return HttpProblems.Of(status, http.Request.Method, http.Request.Path, allow) is { } problem
            ? SendAsync(http, services.Format.Problem(problem, requestId))
            : Task.CompletedTask;
    }

    private static void Log(HttpContext http, BackendServices services, ILogger log, TimeSpan elapsed, string requestId)
    {
        if (!log.IsEnabled(LogLevel.Information) || http.Request.Path.StartsWithSegments("/health"))
            return;
        var feature = http.Features.Get<CallFeature>();
        PipelineLog.Request(log, http.Request.Method, http.Request.Path, http.Response.StatusCode, elapsed.TotalMilliseconds, feature?.Call.Operation.Name,
            feature?.Call.User.Id, feature?.Call.Usage.RoundTrips ?? 0, feature?.Call.Usage.Attempts ?? 0, feature?.Answer.IsReplayed ?? false, requestId, Activity.Current?.TraceId.ToHexString(), services.Name);
    }

    private sealed record CallFeature(Call Call, Answer Answer);
}

/// <summary>The id of a request: the caller's own when it is harmless, else a new one. On every answer and in every log line.</summary>
internal static class RequestIds
{
    private const int LengthMost = 64;

    private static readonly System.Buffers.SearchValues<char> allowed = System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    public static string Assign(HttpContext http)
    {
        var given = http.Request.Headers["Request-Id"].ToString();
        var id = given.Length is >= 8 and <= LengthMost && !given.AsSpan().ContainsAnyExcept(allowed) ? given : TypeId.Format("req", Guid.CreateVersion7());
        http.TraceIdentifier = id;
        return id;
    }

    public static string Of(HttpContext http) => http.TraceIdentifier;
}
