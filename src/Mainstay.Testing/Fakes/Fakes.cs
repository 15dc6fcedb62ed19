using System.Collections.Concurrent;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Options;

namespace Mainstay.Internal;

/// <summary>What becomes of one call.</summary>
internal sealed record FakeDeed(Func<FakeCall, CancellationToken, Task<HttpResponseMessage>> DoAsync);

/// <summary>All whom the backend of a test calls.</summary>
internal sealed class Fakes
{
    private readonly ConcurrentDictionary<string, FakeDependency> _byName = new();
    private readonly ConcurrentQueue<string> _unexpected = new();

    private static readonly FakeDeed anything = new((_, _) => Task.FromResult(new HttpResponseMessage(System.Net.HttpStatusCode.OK) { Content = new StringContent("{}", System.Text.Encoding.UTF8, "application/json") }));

    /// <summary>Whether calls of which nothing was said are answered with an empty object, for checks that are about something else.</summary>
    public bool IsLenient { get; set; }

    /// <summary>By name, how often each was called.</summary>
    public IEnumerable<(string Name, long Calls)> Counts => _byName.Select(pair => (pair.Key, (long)pair.Value.Calls.Count));

    public FakeDependency Of(string name) => _byName.GetOrAdd(name, static name => new FakeDependency(name));

    /// <summary>Takes a call, for whatever it is that the test has said of it.</summary>
    /// <exception cref="InvalidOperationException">It has said nothing.</exception>
    public FakeDeed Receive(string name, FakeCall call)
    {
        if (Of(name).Receive(call) is { } deed)
            return deed;
        if (IsLenient)
            return anything;
        var text = $"'{name}' was called with {call.Method} {call.Path}, and the test does not say what it answers. Say it before: Fake(\"{name}\").On(\"{call.Method} {call.Path.Split('?')[0]}\").Answers(200, …).";
        _unexpected.Enqueue(text);
        throw new InvalidOperationException(text);
    }

    /// <summary>Forgets all calls and everything that was said.</summary>
    public void Reset()
    {
        foreach (var fake in _byName.Values)
            fake.Reset();
        _unexpected.Clear();
    }

    /// <summary>Calls that the test said nothing of and has not been told of yet.</summary>
    public IReadOnlyList<string> TakeUnexpected()
    {
        List<string> taken = [];
        while (_unexpected.TryDequeue(out var text))
            taken.Add(text);
        return taken;
    }
}

/// <summary>Puts the fakes in the place of the network, for every client that the factory of a node makes.</summary>
internal sealed class FakedClients(Fakes fakes, TestNode node) : IPostConfigureOptions<HttpClientFactoryOptions>
{
    public void PostConfigure(string? name, HttpClientFactoryOptions options) =>
        options.HttpMessageHandlerBuilderActions.Add(builder => builder.PrimaryHandler = new FakeHandler(fakes, builder.Name ?? "", node));
}

/// <summary>The last handler of a client: hands the call to its fake.</summary>
internal sealed class FakeHandler(Fakes fakes, string name, TestNode node) : HttpMessageHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // Whoever is dead calls nobody any more.
        if (node.IsKilled)
            await node.GoNowhereAsync().WaitAsync(cancellationToken);
        var headers = request.Headers.Concat(request.Content?.Headers ?? Enumerable.Empty<KeyValuePair<string, IEnumerable<string>>>())
            .ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase);
        var body = request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken);
        var call = new FakeCall(request.Method.Method, request.RequestUri?.PathAndQuery ?? "/", headers, body, node.Number);
        var response = await fakes.Receive(name, call).DoAsync(call, cancellationToken);
        response.RequestMessage = request;
        return response;
    }
}
