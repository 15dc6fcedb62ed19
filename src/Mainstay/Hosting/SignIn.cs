using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Mainstay.Internal;

/// <summary>Decides at the start how callers can prove who they are, and refuses a production start in which nobody could.</summary>
internal static class SignIn
{
    /// <summary>Setting that asks for development keys explicitly; production refuses it.</summary>
    private const string Setting = "Mainstay:DevelopmentKeys";

    /// <exception cref="ConfigurationException">MST1009: production without a way to sign in, or with development keys.</exception>
    public static DevelopmentKeys? Prepare(Backend backend, BackendModel model)
    {
        var isDevelopment = backend.Builder.Environment.IsDevelopment();
        if (!isDevelopment && string.Equals(backend.Configuration[Setting], "true", StringComparison.OrdinalIgnoreCase))
            throw new ConfigurationException("MST1009", $"{Setting} is true in environment '{backend.Builder.Environment.EnvironmentName}'. Development keys are no protection; remove the setting and register an authentication scheme.");
        if (isDevelopment)
            return string.Equals(backend.Configuration[Setting], "false", StringComparison.OrdinalIgnoreCase)
                ? null
                : DevelopmentKeys.LoadOrCreate(Path.Combine(DatabaseStart.DataFolder(backend), "development-keys.json"), model.Policies);
        if (!HasScheme(backend) && model.Operations.FirstOrDefault(operation => operation.Policy.Resolve(User.Anonymous, operation.RowType) == Predicate.Never) is { } closed)
            throw new ConfigurationException("MST1009",
                $"Nobody could sign in: '{closed.Name}' needs {closed.Policy.Describe()}, but no authentication scheme is registered, and environment '{backend.Builder.Environment.EnvironmentName}' has no development keys. "
                + "Register one with Services.AddAuthentication(…), or set DOTNET_ENVIRONMENT=Development on a developer's machine.");
        return null;
    }

    private static bool HasScheme(Backend backend)
    {
        if (!backend.Services.Any(service => service.ServiceType == typeof(IAuthenticationService)))
            return false;
        using var provider = backend.Services.BuildServiceProvider();
        return provider.GetService<IOptions<AuthenticationOptions>>()?.Value.Schemes.Any() == true;
    }
}
