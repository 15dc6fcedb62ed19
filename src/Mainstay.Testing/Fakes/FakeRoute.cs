using System.Net;
using System.Text;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>Calls of one kind, and what becomes of them: one thing for each call, in the order in which it was said, and the last answer for all that follow.</summary>
public sealed class FakeRoute
{
    private readonly Lock _lock = new();
    private readonly Queue<FakeDeed> _deeds = [];
    private readonly string _method;
    private readonly string[] _path;
    private FakeDeed? _last;
    private bool _isLastUsed;

    internal FakeRoute(string route)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(route);
        if (route.Split(' ') is not [{ Length: > 0 } method, { Length: > 0 } path] || (path != "*" && !path.StartsWith('/')))
            throw new ArgumentException($"'{route}' is no route, expected a method and a path such as 'POST /charges'.", nameof(route));
        (_method, _path) = (method, Segments(path));
    }

    /// <summary>Answers, this call and all that follow, until something else is said.</summary>
    /// <param name="status">The HTTP status.</param>
    /// <param name="body">A record or an anonymous object, sent as JSON; text as it is; null for none.</param>
    public FakeRoute Answers(int status, object? body = null) => Answers(status, _ => body);

    /// <summary>Answers with what it makes of the call.</summary>
    /// <param name="status">The HTTP status.</param>
    /// <param name="body">Gives the body as <see cref="Answers(int, object?)"/> takes it.</param>
    public FakeRoute Answers(int status, Func<FakeCall, object?> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        return Then(new FakeDeed((call, _) => Task.FromResult(Response(status, body(call)))), isLast: true);
    }

    /// <summary>Passes this call and all that follow on to a server that the test has started, over real HTTP.</summary>
    /// <param name="server">Where it is, for example <c>http://127.0.0.1:41234</c>. Path and query are those of the call.</param>
    public FakeRoute PassesTo(Uri server)
    {
        ArgumentNullException.ThrowIfNull(server);
        return Then(new FakeDeed((call, cancellation) => FakeWire.SendAsync(server, call, cancellation)), isLast: true);
    }

    /// <summary>Fails so many calls before it goes on.</summary>
    /// <param name="times">How many.</param>
    /// <param name="status">The HTTP status. Default: 503.</param>
    public FakeRoute FailsTimes(int times, int status = 503)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(times, 1);
        for (var i = 0; i < times; i++)
            Then(new FakeDeed((_, _) => Task.FromResult(Response(status, null))));
        return this;
    }

    /// <summary>Takes one call and never answers it: whoever calls gives up by a timeout.</summary>
    public FakeRoute TimesOut() => Then(new FakeDeed(async (_, cancellation) =>
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellation);
        return Response(504, null);
    }));

    /// <summary>Does what one call asks for, so that it counts, and breaks the connection before the answer: whoever calls cannot know.</summary>
    public FakeRoute Dies() =>
        Then(new FakeDeed((_, _) => throw new HttpRequestException(HttpRequestError.ResponseEnded, "The connection was closed before the answer came.", new IOException("Connection reset by peer"))));

    internal bool Fits(FakeCall call)
    {
        if (_method != "*" && !_method.Equals(call.Method, StringComparison.OrdinalIgnoreCase))
            return false;
        if (_path is ["*"])
            return true;
        var path = Segments(call.Path.Split('?')[0]);
        return path.Length == _path.Length && path.Zip(_path).All(pair => pair.Second.StartsWith('{') || pair.First == pair.Second);
    }

    internal FakeDeed? Next()
    {
        lock (_lock)
        {
            if (_deeds.TryDequeue(out var deed))
                return deed;
            _isLastUsed = true;
            return _last;
        }
    }

    /// <summary>Something more is said. The answer that was the last so far is for one call then, unless a call has had it.</summary>
    private FakeRoute Then(FakeDeed deed, bool isLast = false)
    {
        lock (_lock)
        {
            if (_last is { } before && !_isLastUsed)
                _deeds.Enqueue(before);
            _isLastUsed = !isLast;
            if (isLast)
                _last = deed;
            else
                _deeds.Enqueue(deed);
        }
        return this;
    }

    private static string[] Segments(string path) => path.Trim('/').Split('/');

    private static HttpResponseMessage Response(int status, object? body) => new((HttpStatusCode)status)
    {
        Content = body is null ? new ByteArrayContent([]) : new StringContent(body as string ?? TestJson.Of(body), Encoding.UTF8, "application/json"),
    };
}
