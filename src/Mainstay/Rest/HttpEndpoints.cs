using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mainstay.Internal;

/// <summary>Serves operations over HTTP: the sequence of middleware, and a route for each operation.</summary>
internal static class HttpEndpoints
{
    private static readonly string[] getAndHead = ["GET", "HEAD"];

    public static void Map(WebApplication app, Backend backend, BackendModel model, BackendServices services)
    {
        var log = app.Services.GetRequiredService<ILogger<OperationPipeline>>();
        var routes = new RouteTable(app.Services.GetRequiredService<EndpointDataSource>());
        if (backend.IsStrict)
            ServerRefusals.Answer(app, services.Format, log);
        TrustedProxies.Use(app);
        CorsHeaders.UseAround(app);
        app.Use(next => new HttpEdge(services, routes, log, next).InvokeAsync);
        app.UseRouting();
        CorsHeaders.UsePreflights(app);
        if (backend.IsStrict)
            app.Use(next => new StrictRequest(routes, StrictRequest.HostsOf(app.Configuration), next).InvokeAsync);
        // Only where a scheme answers requests of its own, such as the way back from a foreign sign-in: who calls an operation is asked once, by the pipeline.
        // Here, because ASP.NET Core would otherwise put it before everything else, where a failing scheme gets no problem document.
        if (app.Services.GetService<IAuthenticationSchemeProvider>() is { } schemes)
        {
            if (schemes.GetRequestHandlerSchemesAsync().GetAwaiter().GetResult().Any())
                app.UseAuthentication();
            else
                ((IApplicationBuilder)app).Properties["__AuthenticationMiddlewareSet"] = true; // what UseAuthentication leaves behind: else it is added after all
        }
        var pipeline = app.Services.GetRequiredService<OperationPipeline>();
        var authenticator = app.Services.GetRequiredService<Authenticator>();
        foreach (var operation in model.Operations)
            app.MapMethods(operation.Pattern, operation.Method == "GET" ? getAndHead : [operation.Method], http => CallAsync(http, operation, pipeline, services, authenticator, backend.IsStrict));
        HealthEndpoints.Map(app, services);
    }

    private static async Task CallAsync(HttpContext http, Operation operation, OperationPipeline pipeline, BackendServices services, Authenticator authenticator, bool isStrict)
    {
        operation.Deprecation?.Announce(http.Response.Headers, services.Clock);
        var call = new Call(operation, new HttpIncoming(http, authenticator, isStrict), services, RequestIds.Of(http), http.RequestAborted);
        var answer = await pipeline.RunAsync(call);
        http.Features.Set(new CallFeature(call, answer));
        RateLimitFields.Write(http.Response.Headers, operation.RateLimits, call.Limited);
        await AnswerSender.SendAsync(http, answer);
        answer.Rented?.Dispose();
    }
}
