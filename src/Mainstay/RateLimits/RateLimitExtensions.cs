using Mainstay.Internal;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Mainstay;

/// <summary>Rate limits for the endpoints of any ASP.NET Core application, counted over all its nodes.</summary>
public static class RateLimitExtensions
{
    /// <summary>
    /// Keeps the counters in PostgreSQL. Adds what <see cref="WithRateLimit"/> needs, a step at the start that creates the schema <c>mainstay</c>, and
    /// a sweeper of old counters; nothing else.
    /// </summary>
    /// <param name="services">The services of the application.</param>
    /// <param name="options">Default: the signed-in caller, the connection string <c>mainstay</c>.</param>
    /// <exception cref="ConfigurationException">MST2203: it is called twice.</exception>
    public static IServiceCollection AddRateLimits(this IServiceCollection services, RateLimitOptions? options = null)
    {
        options ??= new RateLimitOptions();
        if (services.Any(service => service.ServiceType == typeof(RateLimitEndpoint)))
            throw new ConfigurationException("MST2203", "AddRateLimits is called twice, and only one of its options could count. Call it once.");
        BlockSchema.Add(services, databases => databases.Get(options.ConnectionString, "MST2203", "RateLimitOptions"));
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(provider => new RateLimitStore(provider.GetRequiredService<BlockDatabases>().Get(options.ConnectionString, "MST2203", "RateLimitOptions")));
        services.AddSingleton<RateLimiter>();
        services.AddSingleton(provider => new RateLimitEndpoint(options, provider.GetRequiredService<RateLimiter>()));
        services.AddHostedService<RateLimitSweeper>();
        return services;
    }

    /// <summary>
    /// How often each caller may use this endpoint, over all nodes; then 429 with <c>Retry-After</c>. Several calls add policies that must all hold. On a
    /// group each endpoint is counted by itself. A replay of <see cref="IdempotencyExtensions.WithIdempotency"/> is not counted.
    /// </summary>
    /// <param name="endpoint">The endpoint or group.</param>
    /// <param name="requests">How many, at least 1.</param>
    /// <param name="per">Within which time, which begins with a caller's first request: whole seconds, up to 31 days.</param>
    /// <param name="name">What clients read in <c>RateLimit-Policy</c>, for example <c>burst</c>. Default: made from the numbers, such as <c>30/1m</c>.</param>
    /// <exception cref="ConfigurationException">MST2201: it cannot be kept, or cannot be told to clients.</exception>
    public static TBuilder WithRateLimit<TBuilder>(this TBuilder endpoint, int requests, TimeSpan per, string? name = null) where TBuilder : IEndpointConventionBuilder
    {
        var declared = new DeclaredRateLimit(requests, per, name);
        declared.In("an endpoint");
        endpoint.Add(builder => builder.Metadata.Add(declared));
        endpoint.AddEndpointFilterFactory((context, next) =>
        {
            var limiter = context.ApplicationServices.GetService<RateLimitEndpoint>() ?? throw new ConfigurationException("MST2203",
                "An endpoint has WithRateLimit, but nothing counts. Call builder.Services.AddRateLimits() before builder.Build().");
            RateLimits? limits = null;
            return invocation =>
            {
                // One filter decides about all policies of the endpoint, so that a request is taken from all of them or from none.
                var all = invocation.HttpContext.GetEndpoint()!.Metadata.GetOrderedMetadata<DeclaredRateLimit>();
                if (all[0] != declared)
                    return next(invocation);
                limits ??= DeclaredRateLimit.Join(invocation.HttpContext.GetEndpoint()!.DisplayName ?? "", all);
                return limiter.InvokeAsync(invocation, next, limits);
            };
        });
        return endpoint;
    }
}
