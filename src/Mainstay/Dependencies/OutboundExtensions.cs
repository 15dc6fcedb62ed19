using System.Net.Http.Json;
using System.Text.Json;
using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay;

/// <summary>Calls of handlers to declared dependencies.</summary>
public static class OutboundExtensions
{
    private const int BodyCharactersMost = 4000;

    private static readonly JsonSerializerOptions json = new(JsonSerializerDefaults.Web);

    /// <summary>
    /// Posts a record as JSON, with an <c>Idempotency-Key</c> that is the same at every attempt of this call and for nothing else, and reads the answer. Members that are not known here are passed over.
    /// </summary>
    /// <typeparam name="T">What the answer is read as.</typeparam>
    /// <param name="outbound">The context of the handler.</param>
    /// <param name="dependency">The name of the dependency.</param>
    /// <param name="path">The path on its host, for example <c>/charges</c>. Two calls of one handler with the same path are the same call to the other side.</param>
    /// <param name="body">What is posted.</param>
    /// <exception cref="DependencyException">It answered with another status than 2xx.</exception>
    /// <exception cref="RetryAfterException">It asked for a pause.</exception>
    /// <exception cref="HttpRequestException">It could not be reached.</exception>
    /// <exception cref="TimeoutException">It did not answer in time.</exception>
    public static async Task<T> PostAsync<T>(this Outbound outbound, string dependency, string path, object body)
    {
        using var response = await SendAsync(outbound, dependency, path, body);
        return await response.Content.ReadFromJsonAsync<T>(json, outbound.Cancellation) ?? throw new JsonException($"'{dependency}' answered null to {path}, expected a {typeof(T).Name}.");
    }

    /// <summary>The same for a call whose answer says nothing that is needed.</summary>
    /// <inheritdoc cref="PostAsync{T}"/>
    public static async Task PostAsync(this Outbound outbound, string dependency, string path, object body)
    {
        using var response = await SendAsync(outbound, dependency, path, body);
    }

    private static async Task<HttpResponseMessage> SendAsync(Outbound outbound, string dependency, string path, object body)
    {
        ArgumentNullException.ThrowIfNull(outbound);
        ArgumentException.ThrowIfNullOrWhiteSpace(dependency);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(body);
        if (path[0] != '/' || path.StartsWith("//", StringComparison.Ordinal) || path.Contains('\\', StringComparison.Ordinal))
            throw new ArgumentException($"The path of a call to '{dependency}' is '{path}', expected one that begins with a single '/': it must not lead to another host.", nameof(path));
        outbound.Services.GetRequiredService<DependencyModel>().Require(dependency);
        var client = outbound.Services.GetRequiredService<IHttpClientFactory>().CreateClient(dependency);
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body, body.GetType(), options: json) };
        request.Headers.Add("Idempotency-Key", StableKey.Of(Guid.Parse(outbound.Key), $"POST {dependency} {path}").ToString());
        HttpResponseMessage response;
        try
        {
            response = await client.SendAsync(request, outbound.Cancellation);
        }
        catch (TaskCanceledException e) when (!outbound.Cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"'{dependency}' did not answer within {client.Timeout}.", e);
        }
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
        {
            RetryAfterException.ThrowIfAsked(response);
            var text = await response.Content.ReadAsStringAsync(outbound.Cancellation);
            throw new DependencyException(dependency, response.StatusCode, text.Length <= BodyCharactersMost ? text : text[..BodyCharactersMost]);
        }
    }
}
