using System.ComponentModel.DataAnnotations;

namespace Mainstay.Tests;

public record Memo(Id<Memo> Id, [MaxLength(20_000)] string Text, int Touched = 0);

public record Letter(Id<Letter> Id, Id<Memo> MemoId, string OwnerId, string Text);

public record Old(Id<Old> Id, string Text);

public record Gone(Id<Gone> Id, string Text);

public record TouchNote(Id<Memo> Id, int Times = 1);

public record Figure(int Number);

/// <summary>Notes that anyone reads and writes, and everything that can be declared about how answers are kept and how operations end.</summary>
public sealed class NotesFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal TestBackend Backend { get; private set; } = null!;

    internal Caller Anyone => Backend.Anonymous;

    internal Caller Ann => Backend.User("ann", "customer");

    public async ValueTask InitializeAsync() => Backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), Declare);

    /// <summary>A note of this many characters.</summary>
    internal async Task<string> NoteAsync(int length) => "/v1/notes/" + (await Anyone.PostAsync("/v1/notes", new { text = new string('x', length) })).Expect(201).Id;

    public ValueTask DisposeAsync() => Backend?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static void Declare(Backend backend)
    {
        TestSignIn.AddTo(backend);
        backend.Resource<Memo>("/v1/notes").ReadOnly(memo => memo.Touched).AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone).Cache(TimeSpan.FromMinutes(1));
        backend.Resource<Letter>("/v1/letters").BelongsTo(letter => letter.MemoId)
            .AllowRead(Policy.For<Letter>((letter, user) => letter.OwnerId == user.Id)).AllowWrite(Policy.SignedIn).Cache(TimeSpan.FromMinutes(2));
        backend.Resource<Old>("/v1/olds").AllowRead(Policy.Anyone).AllowWrite(Policy.Role("staff"))
            .Deprecated(new DateOnly(2026, 1, 31), sunset: new DateOnly(2999, 12, 31), info: "https://example.com/changes#olds", successor: "/v2/olds");
        backend.Resource<Gone>("/v1/gones").AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone)
            .Deprecated(new DateOnly(2020, 1, 31), sunset: new DateOnly(2020, 6, 30), successor: "/v2/gones");

        backend.Command("POST /v1/notes/{id}/touch", async (TouchNote input, UnitOfWork work) =>
        {
            var note = await work.LockAsync(input.Id);
            for (var i = 0; i < input.Times; i++)
            {
                note = note with { Touched = note.Touched + 1 };
                work.Update(note);
            }
            return note;
        }).Allow(Policy.SignedIn);
        backend.Command("POST /v1/notes/{id}/forget", async (TouchNote input, UnitOfWork work) => work.Delete(await work.LockAsync(input.Id))).Allow(Policy.SignedIn);
        backend.Command("POST /v1/notes/{id}/count", async (TouchNote input, UnitOfWork work) =>
        {
            var note = await work.LockAsync(input.Id);
            work.Update(note with { Touched = note.Touched + 1 });
            return new Figure(note.Touched + 1);
        }).Allow(Policy.SignedIn);
        backend.Command("POST /v1/numbers", (UnitOfWork work) => new Figure(work.User.Id.Length)).Allow(Policy.SignedIn).Deprecated(new DateOnly(2025, 1, 1));
        backend.Query("GET /v1/reports/open", () => new Figure(1)).Allow(Policy.Anyone).Cache(TimeSpan.FromSeconds(30));
        backend.Query("GET /v1/reports/closed", () => new Figure(2)).Allow(Policy.SignedIn).Cache(TimeSpan.FromSeconds(30));
        backend.Query("GET /v1/reports/plain", () => new Figure(3)).Allow(Policy.Anyone);
    }
}
