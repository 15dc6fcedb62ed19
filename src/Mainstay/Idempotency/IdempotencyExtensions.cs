using Mainstay.Internal;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace Mainstay;

/// <summary>Idempotency keys for the endpoints of any ASP.NET Core application, with its own transactions.</summary>
public static class IdempotencyExtensions
{
    /// <summary>
    /// Keeps the answers of keyed requests in PostgreSQL. Adds what <see cref="WithIdempotency"/> needs, a step at the start that creates the schema
    /// <c>mainstay</c>, and a sweeper of expired receipts; nothing else.
    /// </summary>
    /// <param name="services">The services of the application.</param>
    /// <param name="options">Default: a day, the signed-in caller, the connection string <c>mainstay</c>.</param>
    /// <exception cref="ConfigurationException">MST2001: an option is out of range.</exception>
    public static IServiceCollection AddIdempotency(this IServiceCollection services, IdempotencyOptions? options = null)
    {
        options ??= new IdempotencyOptions();
        options.Check();
        if (services.Any(service => service.ServiceType == typeof(IdempotencyEndpoint)))
            throw new ConfigurationException("MST2001", "AddIdempotency is called twice, and only one of its options could count. Call it once.");
        BlockSchema.Add(services, databases => databases.Get(options.ConnectionString, "MST2001", "IdempotencyOptions"));
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options);
        services.AddSingleton(provider => new Receipts(provider.GetRequiredService<BlockDatabases>().Get(options.ConnectionString, "MST2001", "IdempotencyOptions"), options.Lifetime, options.AnswerBytesMost));
        services.AddSingleton<IdempotencyEndpoint>();
        services.AddSingleton<IHostedService, ReceiptSweeper>();
        return services;
    }

    /// <summary>
    /// Lets clients repeat requests to this endpoint under an <c>Idempotency-Key</c>. The handler takes a <see cref="Receipt"/> and commits its transaction
    /// through it; a repetition gets the first answer, and the handler does not run again. Requests without a key run as always.
    /// </summary>
    public static TBuilder WithIdempotency<TBuilder>(this TBuilder endpoint) where TBuilder : IEndpointConventionBuilder => endpoint.With(isRequired: false);

    /// <summary>Like <see cref="WithIdempotency"/>, and refuses requests without an <c>Idempotency-Key</c> with 400.</summary>
    public static TBuilder RequireIdempotencyKey<TBuilder>(this TBuilder endpoint) where TBuilder : IEndpointConventionBuilder => endpoint.With(isRequired: true);

    private static TBuilder With<TBuilder>(this TBuilder endpoint, bool isRequired) where TBuilder : IEndpointConventionBuilder
    {
        endpoint.AddEndpointFilterFactory((context, next) =>
        {
            var idempotency = Require(context.ApplicationServices);
            return invocation => idempotency.AfterAsync(invocation, next);
        });
        // Around the whole endpoint and not a filter: filters run after the body has been read.
        endpoint.Add(builder =>
        {
            if (builder.RequestDelegate is not { } inner)
                return;
            var idempotency = Require(builder.ApplicationServices);
            builder.RequestDelegate = http => idempotency.AroundAsync(http, inner, isRequired);
        });
        return endpoint;
    }

    private static IdempotencyEndpoint Require(IServiceProvider services) => services.GetService<IdempotencyEndpoint>() ?? throw new ConfigurationException("MST2002",
        "An endpoint has WithIdempotency, but nothing keeps receipts. Call builder.Services.AddIdempotency() before builder.Build().");
}
