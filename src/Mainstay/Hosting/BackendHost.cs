using Microsoft.AspNetCore.Builder;
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
        builder.WebHost.ConfigureKestrel(server =>
        {
            server.AddServerHeader = false;
            // Operations stop reading at their own, lower limit. Up to this one the server reads the rest away, so that a client that sends first and
            // reads afterwards sees the 413 and not a broken connection.
            server.Limits.MaxRequestBodySize = 32 * OperationDefaults.BodyBytesMost;
            // Above the limits of HttpEndpoints, which answers with problem documents; the server's own refusals have no body.
            server.Limits.MaxRequestLineSize = 8 * HttpEndpoints.TargetMost;
            server.Limits.MaxRequestHeadersTotalSize = 8 * HttpEndpoints.HeadersMost;
            server.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(30));
        builder.Services.AddSingleton(TimeProvider.System);
        ConsoleFormat.Use(builder.Logging, name);
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
