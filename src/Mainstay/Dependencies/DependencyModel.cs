using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Internal;

/// <summary>The declared dependencies of an application, each of which is an HTTP client of its name.</summary>
internal sealed class DependencyModel
{
    /// <summary>An answer is held in memory as a whole.</summary>
    private const int AnswerBytesMost = 4 * 1024 * 1024;

    private readonly Dictionary<string, DependencyDeclaration> _declared = new(StringComparer.OrdinalIgnoreCase);

    public IReadOnlyCollection<DependencyDeclaration> Declared => _declared.Values;

    public DependencyDeclaration Add(DependencyDeclaration dependency)
    {
        _declared.TryAdd(dependency.Name, dependency);
        return _declared[dependency.Name];
    }

    /// <summary>Registers the clients, with the addresses that the configuration says instead of those declared.</summary>
    /// <exception cref="ConfigurationException">MST3001: an address cannot be called.</exception>
    public void Register(IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton(this);
        var mistakes = new List<ConfigurationException>();
        foreach (var (key, _) in configuration.GetSection("Mainstay:Dependencies").AsEnumerable(makePathsRelative: true).Where(setting => setting.Value is not null))
            if (key.Split(':') is not [var name, var last] || !_declared.ContainsKey(name) || !last.Equals("Address", StringComparison.OrdinalIgnoreCase))
                mistakes.Add(new ConfigurationException("MST1013",
                    $"There is no setting Mainstay:Dependencies:{key}. A declared dependency has one, its Address; declared {(_declared.Count == 1 ? "is" : "are")} {(_declared.Count == 0 ? "none" : string.Join(", ", _declared.Keys))}."));
        foreach (var dependency in _declared.Values)
        {
            var setting = $"Mainstay:Dependencies:{dependency.Name}:Address";
            var address = configuration[setting] is not { } text ? dependency.Address : Uri.TryCreate(text, UriKind.Absolute, out var configured) ? configured : null;
            if (address is not { Scheme: "http" or "https" })
                mistakes.Add(new ConfigurationException("MST3001", $"The address of dependency '{dependency.Name}' is '{configuration[setting] ?? dependency.Address.ToString()}', expected http:// or https:// with a host."));
            else
                services.AddHttpClient(dependency.Name, client =>
                {
                    client.BaseAddress = address;
                    client.Timeout = dependency.Deadline;
                    client.MaxResponseContentBufferSize = AnswerBytesMost;
                });
        }
        if (mistakes.Count > 0)
            throw new ConfigurationException(mistakes);
    }

    /// <exception cref="ConfigurationException">MST3002: it is not declared.</exception>
    public void Require(string name)
    {
        if (!_declared.ContainsKey(name))
            throw new ConfigurationException("MST3002", $"A handler calls the dependency '{name}', which is not declared.{Suggestion.For(name, _declared.Keys)} Declare it: Dependency(\"{name}\", \"https://…\").");
    }
}
