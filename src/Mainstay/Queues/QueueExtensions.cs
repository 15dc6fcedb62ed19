using Mainstay.Internal;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay;

/// <summary>Back-pressure of queues for the endpoints of any ASP.NET Core application.</summary>
public static class QueueExtensions
{
    /// <summary>
    /// Refuses requests with 503 and <c>Retry-After</c>, before they do anything, while those who would have the work are further behind than their <c>MaxAge</c> allows.
    /// </summary>
    /// <param name="endpoint">The endpoint or group.</param>
    /// <param name="sends">The records that it publishes or enqueues, declared in <c>AddOutbox</c> or <c>AddJobs</c>.</param>
    /// <exception cref="ConfigurationException">MST2501, at the first request: one of them is declared neither as an event nor as a job.</exception>
    public static TBuilder WithQueueAge<TBuilder>(this TBuilder endpoint, params Type[] sends) where TBuilder : IEndpointConventionBuilder
    {
        ArgumentNullException.ThrowIfNull(sends);
        endpoint.AddEndpointFilterFactory((context, next) =>
        {
            var provider = context.ApplicationServices;
            var block = provider.GetService<QueueBlock>() ?? throw new ConfigurationException("MST2501", "An endpoint has WithQueueAge, but nothing is declared as an event or a job. Call builder.Services.AddJobs(…) or AddOutbox(…) before builder.Build().");
            string[] handlers = [.. sends.SelectMany(block.Messages(provider).HandlersOf).Distinct()];
            var pressure = provider.GetRequiredService<JobDesk>().Pressure;
            return async invocation =>
            {
                try
                {
                    pressure.Demand(handlers);
                }
                catch (ProblemException behind)
                {
                    return new ProblemAnswer(behind);
                }
                return await next(invocation);
            };
        });
        return endpoint;
    }
}
