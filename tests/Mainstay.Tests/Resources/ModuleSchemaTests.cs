using System.ComponentModel.DataAnnotations;

namespace Mainstay.Tests;

/// <summary>A library of two modules with a schema each, and something that belongs to neither. The search path leads into one of the schemas, as it does for a role of that name.</summary>
public sealed class LibraryFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal TestBackend Backend { get; private set; } = null!;

    internal string Database { get; private set; } = "";

    internal Caller Staff => Backend.User("sam", "staff");

    public async ValueTask InitializeAsync() => Backend = await TestBackend.StartAsync(Database = await CreateDatabaseAsync(postgres), backend => Declare(backend));

    public ValueTask DisposeAsync() => Backend?.DisposeAsync() ?? ValueTask.CompletedTask;

    internal static async Task<string> CreateDatabaseAsync(PostgresFixture postgres) => await postgres.CreateDatabaseAsync() + ";Search Path=\"catalogue,public\"";

    internal static void Declare(Backend library)
    {
        TestSignIn.AddTo(library);
        var (staff, anyone) = (Policy.Role("staff"), Policy.Anyone);
        var (catalogue, lending) = (library.Schema("catalogue"), library.Schema("lending"));
        catalogue.Resource<Book>("/v1/books")
            .Unique(book => book.Isbn)
            .Filterable(book => book.Shelf, book => book.Pages)
            .Sortable(book => book.Pages, book => book.Note)
            .Searchable(book => book.Title, book => book.Note)
            .Counts().OffsetPages()
            .AllowRead(anyone).AllowWrite(staff);
        lending.Resource<Loan>("/v1/loans")
            .BelongsTo(loan => loan.BookId)
            .AllowRead(Policy.For<Loan>((loan, user) => loan.OwnerId == user.Id) | staff)
            .AllowWrite(staff);
        catalogue.Resource<BookNote>("/v1/catalogue/notes").Unique(note => note.Subject).AllowRead(anyone).AllowWrite(staff);
        lending.Resource<LoanNote>("/v1/lending/notes").Unique(note => note.Reader).AllowRead(anyone).AllowWrite(staff);
        library.Resource<Note>("/v1/notes").Unique(note => note.Text).AllowRead(anyone).AllowWrite(staff);
        library.Command("POST /v1/loans/{id}/prolong", async (Prolong input, UnitOfWork work) =>
        {
            var loan = await work.LockAsync(input.Id);
            work.Update(loan with { Weeks = loan.Weeks + 1 });
            return loan.Weeks + 1;
        }).Allow(staff);
        library.Query("GET /v1/reports/lent", (Snapshot snapshot) =>
            snapshot.QueryAsync<Lent>($"select title, count(*)::integer as loans from catalogue.books join lending.loans on book_id = books.id group by title order by title")).Allow(staff);
    }

    internal async Task<string> BookAsync(string isbn, string title = "Tea", int pages = 100, string? note = null) =>
        (await Staff.PostAsync("/v1/books", new { isbn, title, shelf = "A", pages, note })).Expect(201).Id;

    internal async Task<string> LoanAsync(string book, string owner = "ann") => (await Staff.PostAsync("/v1/loans", new { ownerId = owner, bookId = book, weeks = 2 })).Expect(201).Id;

    internal sealed record Book(Id<Book> Id, [MaxLength(40)] string Isbn, [MaxLength(200)] string Title, [MaxLength(40)] string Shelf, int Pages, [MaxLength(200)] string? Note);

    internal sealed record Loan(Id<Loan> Id, string OwnerId, Id<Book> BookId, int Weeks);

    internal sealed record BookNote(Id<BookNote> Id, [MaxLength(40)] string Subject);

    internal sealed record LoanNote(Id<LoanNote> Id, [MaxLength(40)] string Reader);

    internal sealed record Note(Id<Note> Id, [MaxLength(40)] string Text);

    internal sealed record Prolong(Id<Loan> Id);

    internal sealed record Lent(string Title, int Loans);
}

public sealed class ModuleSchemaTests(LibraryFixture library, PostgresFixture postgres) : IClassFixture<LibraryFixture>
{
    private Caller Staff => library.Staff;

    private static List<string> Texts(Reply reply, string member) => [.. reply.Expect(200).Data.EnumerateArray().Select(row => row.GetProperty(member).GetString()!)];

    [Fact]
    public async Task Rows_are_created_read_changed_and_deleted()
    {
        var created = (await Staff.PostAsync("/v1/books", new { isbn = "crud", title = "Tea", shelf = "crud", pages = 1 }, "Idempotency-Key: crud")).Expect(201);
        var path = "/v1/books/" + created.Id;

        (await Staff.PostAsync("/v1/books", new { isbn = "crud", title = "Tea", shelf = "crud", pages = 1 }, "Idempotency-Key: crud")).Expect(201).Id.ShouldBe(created.Id);
        (await Staff.PutAsync(path, new { isbn = "crud", title = "Coffee", shelf = "crud", pages = 2 })).Expect(200);
        var changed = (await Staff.PatchAsync(path, """{"pages":3}""", $"If-Match: {(await Staff.GetAsync(path)).ETag}")).Expect(200);
        (await Staff.PatchAsync(path, """{"pages":4}""", $"If-Match: {created.ETag}")).Expect(412);
        (await library.Backend.Anonymous.GetAsync(path)).Expect(200).Data.GetProperty("pages").GetInt32().ShouldBe(3);
        (await Staff.DeleteAsync(path, $"If-Match: {changed.ETag}")).Expect(204);
        (await Staff.GetAsync(path)).Expect(404);

        (await library.Backend.ScalarAsync<string>($"select string_agg(action || ' ' || resource, ', ' order by at) from mainstay.audit where row_id in (select row_id from mainstay.audit where after ->> 'isbn' = 'crud')"))
            .ShouldBe("insert catalogue.books, update catalogue.books, update catalogue.books, delete catalogue.books");
    }

    [Fact]
    public async Task Lists_are_filtered_sorted_searched_counted_and_walked()
    {
        foreach (var (isbn, title, pages, note) in new[] { ("l1", "Green tea", 1001, null), ("l2", "Black tea", 1002, "strong"), ("l3", "Coffee", 1003, (string?)"black") })
            await library.BookAsync(isbn, title, pages, note);
        const string list = "/v1/books?pages.gt=1000";

        Texts(await Staff.GetAsync($"{list}&sort=-pages"), "isbn").ShouldBe(["l3", "l2", "l1"]);
        Texts(await Staff.GetAsync($"{list}&search=black"), "isbn").ShouldBe(["l2", "l3"]);
        (await Staff.WalkAsync($"{list}&sort=note&pageSize=1")).Count.ShouldBe(3);
        (await Staff.WalkAsync($"{list}&search=tea&pageSize=1")).Count.ShouldBe(2);
        (await Staff.GetAsync($"{list}&count=true&pageSize=1")).Expect(200).Meta.GetProperty("totalCount").GetInt32().ShouldBe(3);
        Texts(await Staff.GetAsync($"{list}&page=2&pageSize=2&sort=pages"), "isbn").ShouldBe(["l3"]);
    }

    [Fact]
    public async Task Rows_of_one_schema_belong_to_rows_of_another()
    {
        var book = await library.BookAsync("lent", "Lent");
        var loan = await library.LoanAsync(book, "dora");
        await library.LoanAsync(book, "bob");
        var dora = library.Backend.User("dora");

        (await dora.GetAsync("/v1/loans?include=book")).Expect(200).Data[0].GetProperty("book").GetProperty("isbn").GetString().ShouldBe("lent");
        (await dora.GetAsync($"/v1/books/{book}?include=loans")).Expect(200).Data.GetProperty("loans").GetArrayLength().ShouldBe(1);
        (await Staff.GetAsync($"/v1/books?include=loans&search=lent")).Expect(200).Data[0].GetProperty("loans").GetArrayLength().ShouldBe(2);
        (await dora.GetAsync($"/v1/books/{book}/loans")).Expect(200).Data.GetArrayLength().ShouldBe(1);
        (await Staff.PostAsync($"/v1/books/{book}/loans", new { ownerId = "cid", weeks = 1 })).Expect(201);
        (await Staff.PostAsync($"/v1/loans/{loan}/prolong", null)).Expect(200).Data.GetInt32().ShouldBe(3);
        (await Staff.GetAsync("/v1/reports/lent")).Expect(200).Data[0].GetProperty("loans").GetInt32().ShouldBe(3);

        (await Staff.DeleteAsync("/v1/books/" + book)).Expect(409, "still-referenced").Detail.ShouldContain("loans");
        (await Staff.PostAsync("/v1/loans", new { ownerId = "ann", bookId = "book_01h455vb4pex5vsknk084sn02q", weeks = 1 })).Expect(422, "reference-not-found").Faults.ShouldBe(["#/bookId reference"]);
    }

    [Fact]
    public async Task Batches_find_all_that_they_conflict_with()
    {
        static object Book(string isbn) => new { isbn, title = "Tea", shelf = "A", pages = 1 };
        var book = await library.BookAsync("b1");
        await library.LoanAsync(book);

        (await Staff.PostAsync("/v1/books:batch", new[] { Book("b2"), Book("b1"), Book("b2") })).Expect(409, "already-exists").Faults.ShouldBe(["#/1/isbn unique", "#/2/isbn unique"]);
        (await Staff.PostAsync("/v1/loans:batch", new[] { new { ownerId = "ann", bookId = "book_01h455vb4pex5vsknk084sn02q", weeks = 1 } })).Expect(422).Faults.ShouldBe(["#/0/bookId reference"]);
        (await Staff.PostAsync("/v1/books:batchDelete", new[] { await library.BookAsync("b3"), book })).Expect(409, "still-referenced").Faults.ShouldBe(["#/1 referenced"]);
        (await Staff.SendAsync("PATCH", "/v1/books:batch", new[] { new { id = book, pages = 7 } })).Expect(200).Data[0].GetProperty("pages").GetInt32().ShouldBe(7);
    }

    [Fact]
    public async Task Tables_of_one_name_are_apart_whatever_the_search_path_finds()
    {
        foreach (var (path, member) in new[] { ("/v1/catalogue/notes", "subject"), ("/v1/lending/notes", "reader"), ("/v1/notes", "text") })
        {
            var body = new Dictionary<string, string> { [member] = "same" };
            var id = (await Staff.PostAsync(path, body)).Expect(201).Id;
            (await Staff.PostAsync(path, body)).Expect(409, "already-exists").Faults.ShouldBe([$"#/{member} unique"]);
            Texts(await Staff.GetAsync(path), "id").ShouldBe([id]);
        }
        foreach (var schema in new[] { "catalogue", "lending", "public" })
            (await library.Backend.CountAsync($"{schema}.notes")).ShouldBe(1);
    }

    [Fact]
    public async Task A_restart_finds_nothing_to_do_and_a_change_is_made_where_the_table_is()
    {
        var database = await LibraryFixture.CreateDatabaseAsync(postgres);
        await (await TestBackend.StartAsync(database, LibraryFixture.Declare)).DisposeAsync();

        await (await TestBackend.StartAsync(database, LibraryFixture.Declare, "--Mainstay:Schema", "check")).DisposeAsync();
        await using var next = await TestBackend.StartAsync(database, backend => backend.Schema("catalogue").Resource<Labelled>("/v1/notes").AllowRead(Policy.Anyone));

        (await next.Anonymous.GetAsync("/v1/notes")).Expect(200);
        (await next.ScalarAsync<string>("select string_agg(table_schema, ' ') from information_schema.columns where table_name = 'notes' and column_name = 'label'")).ShouldBe("catalogue");
    }

    private sealed record Labelled(Id<Labelled> Id, [MaxLength(40)] string Subject, string? Label);

    [Theory]
    [InlineData("mainstay")]
    [InlineData("mainstay_testing")]
    [InlineData("pg_catalog")]
    [InlineData("information_schema")]
    [InlineData("")]
    [InlineData("Catalogue")]
    [InlineData("1st")]
    [InlineData("a.b")]
    [InlineData("a\"b")]
    [InlineData("a\0")]
    [InlineData("a\n")]
    public async Task Names_that_cannot_be_those_of_modules_stop_the_start(string name) =>
        (await TestBackend.RefuseAsync(library.Database, backend => backend.Schema(name).Resource<LibraryFixture.Note>("/v1/notes").AllowRead(Policy.Anyone))).ShouldContain("MST1409");

    [Fact]
    public async Task What_clients_could_not_tell_apart_stops_the_start()
    {
        (await TestBackend.RefuseAsync(library.Database, backend =>
        {
            backend.Schema("catalogue").Resource<LibraryFixture.BookNote>("/v1/notes").AllowRead(Policy.Anyone);
            backend.Schema("catalogue").Resource<LibraryFixture.Note>("/v2/notes").AllowRead(Policy.Anyone);
        })).ShouldContain("MST1406: The resources /v1/notes and /v2/notes would share the table 'catalogue.notes'.");
        (await TestBackend.RefuseAsync(library.Database, backend =>
        {
            backend.Resource<LibraryFixture.Book>("/v1/books").AllowRead(Policy.Anyone);
            backend.Schema("lending").Resource<LibraryFixture.Loan>("/v1/lending/items").BelongsTo(loan => loan.BookId).AllowCreate(Policy.Anyone);
            backend.Schema("catalogue").Resource<Copy>("/v1/catalogue/items").BelongsTo(copy => copy.BookId).AllowRead(Policy.Anyone);
        })).ShouldContain("MST1404: include=items on /v1/books could mean /v1/lending/items or /v1/catalogue/items.");
    }

    private sealed record Copy(Id<Copy> Id, Id<LibraryFixture.Book> BookId);
}
