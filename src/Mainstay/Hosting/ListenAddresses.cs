using System.Net.Sockets;
using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>Where the application shall listen: what can be found wrong with it before the start, and what the system refuses.</summary>
internal static class ListenAddresses
{
    private const string Example = "Expected for example --urls http://localhost:5001, several separated by ';'.";

    /// <exception cref="ConfigurationException">MST1012: an address that nothing can listen on.</exception>
    public static void Check(string? urls)
    {
        foreach (var url in (urls ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            if (Fault(url) is { } fault)
                throw new ConfigurationException("MST1012", $"The address '{url}' {fault}. {Example}");
    }

    /// <summary>Whether a failed start is about the address: no such address here, no right to the port, or no certificate for https.</summary>
    public static bool IsRefusal(Exception error) => error is SocketException or IOException { InnerException: SocketException }
        || (error is InvalidOperationException && error.Message.Contains("HTTPS", StringComparison.Ordinal));

    public static ConfigurationException Refused(Exception error) => new("MST1012",
        $"The address cannot be listened on: {(error is SocketException ? error.Message : error.Message.Split('\n')[0]).TrimEnd('.')}. {Example} An https address needs a certificate (Kestrel:Certificates:Default), a port below 1024 the right to it.", error);

    private static string? Fault(string url)
    {
        try
        {
            var address = BindingAddress.Parse(url);
            return address.Scheme is not ("http" or "https") ? $"has the scheme '{address.Scheme}'"
                : address.PathBase.Length > 0 ? "has a path"
                : !address.IsUnixPipe && address.Port is < 0 or > 65535 ? $"has the port {address.Port}"
                : null;
        }
        catch (FormatException)
        {
            return "is not a URL";
        }
    }
}
