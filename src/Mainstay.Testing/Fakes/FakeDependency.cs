using Mainstay.Internal;

namespace Mainstay;

/// <summary>Somebody whom the backend calls over HTTP, played by a test. <c>shop.Fake("payments").On("POST /charges").FailsTimes(2).Answers(201, new Charge("ch_1"));</c></summary>
public sealed class FakeDependency
{
    private readonly Lock _lock = new();
    private readonly List<FakeRoute> _routes = [];
    private readonly List<FakeCall> _calls = [];

    internal FakeDependency(string name) => Name = name;

    /// <summary>The name of the client.</summary>
    public string Name { get; }

    /// <summary>What it was called with, in order, whatever became of it.</summary>
    public IReadOnlyList<FakeCall> Calls
    {
        get
        {
            lock (_lock)
                return [.. _calls];
        }
    }

    /// <summary>Calls of one kind. Of several that fit, the one that was named last and has something left to do answers.</summary>
    /// <param name="route">Method and path, for example <c>POST /charges/{id}/refunds</c>; <c>{…}</c> stands for any segment.</param>
    /// <exception cref="ArgumentException">It is not a method and a path.</exception>
    public FakeRoute On(string route)
    {
        var added = new FakeRoute(route);
        lock (_lock)
            _routes.Add(added);
        return added;
    }

    /// <summary>Answers every call.</summary>
    /// <inheritdoc cref="FakeRoute.Answers(int, object?)"/>
    public FakeRoute Answers(int status, object? body = null) => Any().Answers(status, body);

    /// <summary>Passes every call on to a server that the test has started.</summary>
    /// <inheritdoc cref="FakeRoute.PassesTo"/>
    public FakeRoute PassesTo(Uri server) => Any().PassesTo(server);

    /// <summary>Fails the next calls, whatever they are.</summary>
    /// <inheritdoc cref="FakeRoute.FailsTimes"/>
    public FakeRoute FailsTimes(int times, int status = 503) => Any().FailsTimes(times, status);

    /// <summary>Does not answer the next call, whatever it is.</summary>
    public FakeRoute TimesOut() => Any().TimesOut();

    /// <summary>Does what the next call asks for, whatever it is, and breaks the connection before the answer.</summary>
    public FakeRoute Dies() => Any().Dies();

    /// <summary>Forgets its calls and everything that it was told to do.</summary>
    public void Reset()
    {
        lock (_lock)
        {
            _routes.Clear();
            _calls.Clear();
        }
    }

    /// <summary>Records a call, and says what becomes of it.</summary>
    /// <returns>Null when it was not told.</returns>
    internal FakeDeed? Receive(FakeCall call)
    {
        lock (_lock)
        {
            _calls.Add(call);
            for (var i = _routes.Count - 1; i >= 0; i--)
                if (_routes[i].Fits(call) && _routes[i].Next() is { } deed)
                    return deed;
            return null;
        }
    }

    private FakeRoute Any() => On("* *");
}
