using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mainstay.Internal;

/// <summary>The process around a backend: configuration, server limits, exit code.</summary>
internal static class BackendHost
{
    public static WebApplicationBuilder CreateBuilder(string name, string[] args)
    {
        // A mistake outside of a declaration's reach, for example in Policy.For: its message is the whole answer, a stack trace would hide it.
        AppDomain.CurrentDomain.UnhandledException += static (_, unhandled) =>
        {
            if (unhandled.ExceptionObject is not ConfigurationException mistake)
                return;
            Console.Error.WriteLine(mistake.Message);
            Environment.Exit(1);
        };
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            Args = args,
            EnvironmentName = DevelopmentStart.EnvironmentName(),
            ContentRootPath = DevelopmentStart.SourceFolder ?? Directory.GetCurrentDirectory(),
        });
        builder.WebHost.UseKestrelHttpsConfiguration();
        // A bare line feed ends a line for Kestrel and not for every proxy. There is no option for it, only this switch of the process.
        AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators", true);
        builder.WebHost.ConfigureKestrel(server => ServerLimits.Apply(server, builder.Configuration));
        TrustedProxies.Configure(builder.Services, builder.Configuration);
        // The allow-list of hosts is StrictRequest's, which refuses with a problem document; ASP.NET Core's own filter answers with a page.
        builder.Services.Configure<HostFilteringOptions>(filter => filter.AllowedHosts = ["*"]);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(30));
        builder.Services.AddSingleton(TimeProvider.System);
        ConsoleLog.Use(builder.Logging);
        return builder;
    }

    public static async Task<int> RunAsync(Backend backend)
    {
        try
        {
            if (CommandLine.Run(backend, Console.Out) is { } exitCode)
                return exitCode;
            await using var running = await RunningBackend.StartAsync(backend);
            await running.WaitForShutdownAsync();
            return 0;
        }
        catch (ConfigurationException mistake)
        {
            await Console.Error.WriteLineAsync(mistake.Message);
            return 1;
        }
    }
}
