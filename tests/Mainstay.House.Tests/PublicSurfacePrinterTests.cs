using System.Diagnostics.CodeAnalysis;

namespace Mainstay.Tests;

/// <summary>The printer must show what a caller could notice, or the reviewed files would hide a breaking change.</summary>
public sealed class PublicSurfacePrinterTests
{
    [Theory]
    [InlineData(typeof(Shelf<,>), """
        public abstract class PublicSurfacePrinterTests.Shelf<TKey, TItem> : IAsyncDisposable where TKey : notnull where TItem : class, new()
            const int Most = 100
            protected Shelf(string name)
            protected Shelf(string name, int size = 100, DayOfWeek day = DayOfWeek.Monday, TimeSpan? wait = null, CancellationToken stop = default)
            IReadOnlyDictionary<TKey, List<TItem?>>? Items { get; }
            TItem? this[TKey key] { get; protected set; }
            required string Label { get; init; }
            event EventHandler<string?>? Changed
            ValueTask DisposeAsync()
            abstract bool TryFind(TKey key, [NotNullWhen(true)] out TItem? item)
            protected virtual (string? First, (int X, int Y) Second)[] Pairs(params string?[] names)
            static PublicSurfacePrinterTests.Shelf<TKey, TItem> operator |(PublicSurfacePrinterTests.Shelf<TKey, TItem> left, PublicSurfacePrinterTests.Shelf<TKey, TItem> right)
            static implicit operator string(PublicSurfacePrinterTests.Shelf<TKey, TItem> shelf)

        """)]
    [InlineData(typeof(Point), """
        public readonly record struct PublicSurfacePrinterTests.Point
            Point(int X, int? Y)
            int X { get; init; }
            int? Y { get; init; }

        """)]
    [InlineData(typeof(Label), """
        public sealed record PublicSurfacePrinterTests.Label : IFormattable
            Label(string Text, string? Hint = null)
            string Text { get; init; }
            string? Hint { get; init; }
            string ToString(string? format, IFormatProvider? formatProvider)

        """)]
    [InlineData(typeof(ISource<>), """
        public interface PublicSurfacePrinterTests.ISource<out T> : IDisposable
            Task<List<string?>> NextAsync<TState>(TState state, Func<TState, string?, bool> accept) where TState : struct, IComparable<TState>
            static abstract PublicSurfacePrinterTests.ISource<T> Open(in int handle)

        """)]
    [InlineData(typeof(PrintedExtensions), """
        public static class PrintedExtensions
            static string Shout(this ConfigurationException mistake, int times = 1)

        """)]
    [InlineData(typeof(Decide), """
        public delegate Task<bool> PublicSurfacePrinterTests.Decide(object? subject, ref int votes)

        """)]
    [InlineData(typeof(Level), """
        [Flags] public enum PublicSurfacePrinterTests.Level : byte
            None = 0
            High = 2

        """)]
    public void Every_kind_of_member_reads_like_its_declaration(Type type, string expected) => PublicSurface.Print(type).ShouldBe(expected);

    [Fact]
    public void A_difference_is_shown_under_its_type() =>
        Differences.Between(["namespace A", "", "class B", "    int C { get; }", "class D"], ["namespace A", "", "class B", "    int C { get; set; }", "class D", "class E"])
            .ShouldBe(["  class B", "-     int C { get; }", "+     int C { get; set; }", "+ class E"]);

    public abstract class Shelf<TKey, TItem>(string name) : IAsyncDisposable where TKey : notnull where TItem : class, new()
    {
        public const int Most = 100;

        protected Shelf(string name, int size = 100, DayOfWeek day = DayOfWeek.Monday, TimeSpan? wait = null, CancellationToken stop = default) : this($"{name}{size}{day}{wait}{stop}") { }

        public event EventHandler<string?>? Changed;

        public IReadOnlyDictionary<TKey, List<TItem?>>? Items => null;
        public required string Label { get; init; } = name;
        public TItem? this[TKey key] { get => null; protected set => Changed?.Invoke(this, value?.ToString()); }

        public static implicit operator string(Shelf<TKey, TItem> shelf) => shelf.Label;
        public static Shelf<TKey, TItem> operator |(Shelf<TKey, TItem> left, Shelf<TKey, TItem> right) => left ?? right;

        public abstract bool TryFind(TKey key, [NotNullWhen(true)] out TItem? item);
        protected virtual (string? First, (int X, int Y) Second)[] Pairs(params string?[] names) => [];
        public override string ToString() => Label;
        public ValueTask DisposeAsync() { GC.SuppressFinalize(this); return default; }
        internal void Hidden() { }
    }

    public readonly record struct Point(int X, int? Y);

    public sealed record Label(string Text, string? Hint = null) : IFormattable
    {
        public string ToString(string? format, IFormatProvider? formatProvider) => Text;
    }

    public interface ISource<out T> : IDisposable
    {
        static abstract ISource<T> Open(in int handle);
        Task<List<string?>> NextAsync<TState>(TState state, Func<TState, string?, bool> accept) where TState : struct, IComparable<TState>;
    }

    public delegate Task<bool> Decide(object? subject, ref int votes);

    [Flags]
    public enum Level : byte { None = 0, High = 2 }
}

public static class PrintedExtensions
{
    extension(ConfigurationException mistake)
    {
        public string Shout(int times = 1) => string.Concat(Enumerable.Repeat(mistake.Message.ToUpperInvariant(), times));
    }
}
