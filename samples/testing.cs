#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay.Testing

// Tests of a backend, here without a test framework: the whole application in this process, on a PostgreSQL with a database for each test, with a clock that is advanced.
// A project of tests references Mainstay.Testing in the same way and puts [Fact] above each of them.

using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using Mainstay;
using static System.TimeSpan;

var failures = 0;

await TestAsync("a loan is reminded of after three weeks, and the reminder is sent once although the first mail is not answered", async library =>
{
    library.Fake("mail").Dies().Answers(202);
    var book = await library.InsertAsync<Book>();

    (await library.As("ann", "reader").PostAsync("/v1/loans", new Borrow(book.Id))).Expect(201);
    await library.DrainAsync();
    Expect(library.Called("mail").Count == 0, "nobody is reminded at once");

    await library.PassAsync(FromDays(22));
    Expect(library.Applied("remind").Single().Attempt == 2, "the second attempt was answered");
    Expect(library.Called("mail").Select(call => call.IdempotencyKey).Distinct().Count() == 1, "both mails have one key");
});

await TestAsync("a loan survives the death of its node", async library =>
{
    await library.StartNodeAsync();
    var book = await library.InsertAsync<Book>();
    library.CrashAt(CrashPoint.AfterCommit, of: "POST /v1/loans");

    try
    {
        await library.As("ann", "reader").PostAsync("/v1/loans", new Borrow(book.Id), "Idempotency-Key: \"1\"");
        Expect(false, "the first node gives no answer");
    }
    catch (HttpRequestException)
    {
    }
    (await library.As("ann", "reader").PostAsync("/v1/loans", new Borrow(book.Id), "Idempotency-Key: \"1\"")).Expect(201);
    Expect(library.Enqueued<Remind>().Count == 1, "there is one loan");
});

await TestAsync("what every backend keeps", async library =>
{
    foreach (var skipped in (await library.CheckAsync()).Where(result => result.Skipped is not null))
        Console.WriteLine($"    skipped: {skipped.Name}: {skipped.Skipped}");
});

return failures;

// The application. Its program would be: return await Declare(args).RunAsync();
static Backend Declare()
{
    var library = Backend.Create("library", []);
    var reader = Policy.Role("reader");
    library.Services.AddHttpClient("mail", client => client.BaseAddress = new Uri("https://mail.example.com"));
    library.Resource<Book>("/v1/books").AllowRead(Policy.Anyone).AllowWrite(Policy.Role("librarian"));
    library.Resource<Loan>("/v1/loans").BelongsTo(loan => loan.BookId).AllowRead(Policy.For<Loan>((loan, user) => loan.Reader == user.Id));
    library.Command("POST /v1/loans", async (Borrow input, UnitOfWork work) =>
    {
        var book = await work.RequireAsync(input.BookId);
        var loan = new Loan(Id<Loan>.New(), book.Id, work.User.Id, work.Now);
        work.Insert(loan);
        work.Enqueue(new Remind(loan.Id), after: FromDays(21));
        return loan;
    }).Allow(reader);
    library.Job<Remind>("remind", async (Remind job, Outbound outbound, IHttpClientFactory clients) =>
    {
        using var client = clients.CreateClient("mail");
        using var mail = new HttpRequestMessage(HttpMethod.Post, "/reminders") { Content = JsonContent.Create(new { loan = job.LoanId.ToString() }) };
        mail.Headers.Add("Idempotency-Key", outbound.Key);
        (await client.SendAsync(mail, outbound.Cancellation)).EnsureSuccessStatusCode();
    }).Retry(8);
    return library;
}

async Task TestAsync(string what, Func<TestBackend, Task> test)
{
    var began = Stopwatch.GetTimestamp();
    await using var library = await TestBackend.StartAsync(Declare);
    var started = Stopwatch.GetElapsedTime(began);
    try
    {
        await test(library);
        Console.WriteLine($"passed in {Stopwatch.GetElapsedTime(began).TotalMilliseconds:0} ms, of which {started.TotalMilliseconds:0} ms to start: {what}");
    }
    catch (Exception e)
    {
        failures++;
        Console.WriteLine($"failed: {what}\n{e}");
    }
}

static void Expect(bool holds, string what)
{
    if (!holds)
        throw new InvalidOperationException($"Expected that {what}.");
}

record Book(Id<Book> Id, [MaxLength(200)] string Title);
record Loan(Id<Loan> Id, Id<Book> BookId, string Reader, DateTimeOffset Since);
record Borrow(Id<Book> BookId);
record Remind(Id<Loan> LoanId);
