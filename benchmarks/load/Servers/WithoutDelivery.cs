using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mainstay.Benchmarks;

/// <summary>
/// Takes the work in the background out of a backend, so that a node is measured that only answers requests while others deliver. No setting does that, because
/// no application wants messages that nobody delivers.
/// </summary>
internal sealed class WithoutDelivery : IServiceProviderFactory<IServiceCollection>
{
    public static void Apply(Backend backend) => backend.Builder.Host.UseServiceProviderFactory(new WithoutDelivery());

    public IServiceCollection CreateBuilder(IServiceCollection services)
    {
        var background = services.Where(service => service.ServiceType == typeof(IHostedService) && IsOurs(service.ImplementationType ?? service.ImplementationFactory?.Method.ReturnType ?? service.ImplementationInstance?.GetType())).ToList();
        if (background.Count == 0)
            throw new MeasurementException("The backend has no work in the background any more, so there is nothing to take out.");
        foreach (var service in background)
            services.Remove(service);
        return services;
    }

    public IServiceProvider CreateServiceProvider(IServiceCollection containerBuilder) => containerBuilder.BuildServiceProvider();

    private static bool IsOurs(Type? type) => type is not null && type.Assembly == typeof(Backend).Assembly && type.IsAssignableTo(typeof(BackgroundService));
}
