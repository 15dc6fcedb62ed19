using System.Text;

namespace Mainstay.Internal;

/// <summary>The way from a fake to a server that the test has started.</summary>
internal static class FakeWire
{
    private static readonly HttpMessageInvoker wire = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false, UseProxy = false });

    public static async Task<HttpResponseMessage> SendAsync(Uri server, FakeCall call, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(new HttpMethod(call.Method), new Uri(server, call.Path));
        if (call.Body.Length > 0)
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(call.Body));
        foreach (var (name, value) in call.Headers)
            // The host is the server's, and the length is measured anew.
            if (!name.Equals("Host", StringComparison.OrdinalIgnoreCase) && !name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase) && !request.Headers.TryAddWithoutValidation(name, value))
                request.Content?.Headers.TryAddWithoutValidation(name, value);
        return await wire.SendAsync(request, cancellation);
    }
}
