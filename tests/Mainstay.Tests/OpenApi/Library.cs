using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>A small backend that has one of everything the document describes, and serves while the tests of a class run.</summary>
public sealed class Library(PostgresFixture postgres) : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private RunningBackend? _running;

    public HttpClient Client { get; } = new(new SocketsHttpHandler { AllowAutoRedirect = false });

    internal RunningBackend Running => _running ?? throw new InvalidOperationException("The library has not been started.");

    public string Key(string role) => Running.DevelopmentKeys!.Keys.Single(key => key.Name == role).Key;

    public async ValueTask InitializeAsync()
    {
        _running = await StartAsync(await postgres.CreateDatabaseAsync(), _folder.Path);
        Client.BaseAddress = new Uri(_running.Address);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (_running is not null)
            await _running.DisposeAsync();
        _folder.Dispose();
    }

    internal static Task<RunningBackend> StartAsync(string database, string folder, params string[] arguments) => RunningBackend.StartAsync(Declare(
        ["--environment", "Development", "--urls", "http://127.0.0.1:0", "--ConnectionStrings:mainstay=" + database, "--Mainstay:DataFolder=" + folder, .. arguments]));

    internal static Backend Declare(params string[] arguments)
    {
        var library = Backend.Create("library", arguments);
        var reader = Policy.Role("reader");
        var librarian = Policy.Role("librarian");
        var notThere = library.Problem("book-not-there", 409, "The book is not there");
        var tooMany = library.Problem("too-many-books", 422, "Too many books");

        library.Resource<Author>("/v1/authors").Unique(author => author.Email).Sortable(author => author.Name).AllowRead(Policy.Anyone).AllowWrite(librarian);
        library.Resource<Book>("/v1/books")
            .BelongsTo(book => book.AuthorId)
            .Filterable(book => book.Genre, book => book.Pages, book => book.Published, book => book.Isbn)
            .Sortable(book => book.Title, book => book.Pages)
            .Searchable(SearchLanguage.English, book => book.Title)
            .OffsetPages()
            .Counts()
            .ReadOnly(book => book.Lent)
            .RequireIfMatch()
            .AllowRead(reader | librarian).AllowWrite(librarian);
        library.Resource<Note>("/v1/notes").AllowRead(Policy.For<Note>((note, user) => note.OwnerId == user.Id)).AllowWrite(Policy.For<Note>((note, user) => note.OwnerId == user.Id));

        library.Command("POST /v1/books/{id}/lend", async (Lend input, UnitOfWork work) =>
            {
                var book = await work.LockAsync(input.Id);
                if (book.Lent)
                    throw notThere.Because("Somebody else has it.");
                work.Update(book with { Lent = true });
                return book with { Lent = true };
            })
            .Allow(reader).Refuses(notThere, tooMany).Summary("Lend a book");
        library.Command("POST /v1/books/{id}/return", async Task<Book?> (Return input, UnitOfWork work) =>
            {
                var book = await work.LockAsync(input.Id);
                if (!book.Lent)
                    return null;
                work.Update(book with { Lent = false });
                return book with { Lent = false };
            })
            .Allow(reader);
        library.Command("POST /v1/authors/{id}/forget", (Forget input, UnitOfWork work) => { }).Allow(librarian);
        library.Query("GET /v1/reports/pages", (PagesReport input, Snapshot snapshot) =>
            snapshot.QueryAsync<GenrePages>($"select genre, sum(pages) as pages from books where pages >= {input.Least} group by genre order by genre limit 100")).Allow(Policy.Anyone);
        library.Query("GET /v2/opening", () => new Opening(new TimeOnly(9, 30), TimeSpan.FromHours(8), [new Room("Hall", null)])).Allow(Policy.Anyone);
        return library;
    }

    internal enum Genre { Novel, PoetryAndDrama, Science }

    internal sealed record Author(Id<Author> Id, [MaxLength(100)] string Name, [EmailAddress, MaxLength(200)] string? Email = null);

    internal sealed record Book(Id<Book> Id, Id<Author> AuthorId, [Required, MaxLength(200)] string Title, Genre Genre, [Range(1, 10_000)] int Pages, [RegularExpression("[0-9]{13}"), MaxLength(13)] string? Isbn,
        DateOnly? Published, [MaxLength(32)] byte[]? Cover, JsonElement? Extra, bool Lent, decimal Price = 9.5m);

    internal sealed record Note(Id<Note> Id, [MaxLength(100)] string OwnerId, string Text);

    internal sealed record Lend(Id<Book> Id, [Range(1, 30)] int Days, [MaxLength(3)] IReadOnlyList<Wish> Wishes, DateTimeOffset? From = null);

    internal sealed record Return(Id<Book> Id);

    internal sealed record Wish([MaxLength(20)] string What, bool IsUrgent = false);

    internal sealed record Forget(Id<Author> Id);

    internal sealed record PagesReport([Range(0, 10_000)] int Least = 0);

    internal sealed record GenrePages(Genre Genre, long Pages);

    internal sealed record Opening(TimeOnly From, TimeSpan For, IReadOnlyList<Room> Rooms);

    internal sealed record Room(string Name, Room? Inside);
}
