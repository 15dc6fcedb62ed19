using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;

namespace Mainstay.Internal;

/// <summary>What the server takes from a connection before any operation is asked. Documented in docs/reference/http.md.</summary>
internal static class ServerLimits
{
    public const string ConnectionsSetting = "Mainstay:Connections";

    /// <summary>Connections at once unless <see cref="ConnectionsSetting"/> says otherwise.</summary>
    public const int ConnectionsDefault = 10_000;

    /// <summary>Longest request line: method, target, version.</summary>
    public const int RequestLineBytesMost = 8 * 1024;

    /// <summary>Longest header fields together.</summary>
    public const int HeaderBytesMost = 32 * 1024;

    /// <summary>The most header fields.</summary>
    public const int HeadersMost = 100;

    /// <summary>How long header fields may take to arrive.</summary>
    public static readonly TimeSpan HeadersTimeout = TimeSpan.FromSeconds(10);

    /// <summary>How long a connection may wait for its next request.</summary>
    public static readonly TimeSpan KeepAliveTimeout = TimeSpan.FromSeconds(130);

    /// <summary>The slowest body: 240 bytes a second after the first 5 s. The operation's own time limit ends it, too.</summary>
    private static readonly MinDataRate slowestBody = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(5));

    /// <summary>
    /// The slowest reader of an answer. The server gives an answer the time that its bytes take at this rate, however they are spread over it: the largest of
    /// 8 MiB occupies memory for 9 min at most.
    /// </summary>
    private static readonly MinDataRate slowestReader = new(bytesPerSecond: 16 * 1024, gracePeriod: TimeSpan.FromSeconds(5));

    public static void Apply(KestrelServerOptions server, IConfiguration configuration)
    {
        server.AddServerHeader = false;
        // Operations stop reading at their own, lower limit. Up to this one the server reads the rest away, so that a client that sends first and
        // reads afterwards sees the 413 and not a broken connection.
        server.Limits.MaxRequestBodySize = 32 * OperationDefaults.BodyBytesMost;
        server.Limits.MaxRequestLineSize = RequestLineBytesMost;
        server.Limits.MaxRequestHeadersTotalSize = HeaderBytesMost;
        server.Limits.MaxRequestHeaderCount = HeadersMost;
        server.Limits.RequestHeadersTimeout = HeadersTimeout;
        server.Limits.KeepAliveTimeout = KeepAliveTimeout;
        server.Limits.MinRequestBodyDataRate = slowestBody;
        server.Limits.MinResponseDataRate = slowestReader;
        server.Limits.MaxConcurrentConnections = int.TryParse(configuration[ConnectionsSetting], out var most) && most > 0 ? most : ConnectionsDefault;
        server.Limits.MaxConcurrentUpgradedConnections = server.Limits.MaxConcurrentConnections;
    }

    /// <exception cref="ConfigurationException">MST1014: the number of connections is none.</exception>
    public static void Check(IConfiguration configuration)
    {
        if (configuration[ConnectionsSetting] is { } text && !(int.TryParse(text, out var most) && most > 0))
            throw new ConfigurationException("MST1014", $"{ConnectionsSetting} is '{text}', expected a whole number from 1 on: how many connections the server holds at once. Leave it out for {ConnectionsDefault}.");
    }
}
