using System.ComponentModel.DataAnnotations;
using System.Text;
using Mainstay.Internal;

namespace Mainstay.Tests;

public record Rack(Id<Rack> Id, string OwnerId, [MaxLength(60)] string Name);

public record Volume(Id<Volume> Id, string OwnerId, Id<Rack>? RackId, int Number, [MaxLength(5000)] string Text);

/// <summary>Reads with what stands beside their rows share statements too, and so do long texts.</summary>
public sealed class SharedCompanyTests(PostgresFixture postgres) : IAsyncLifetime
{
    private TestBackend _backend = null!;

    private int WaitingCount => _backend.Running.Services.Reads.WaitingCount;

    public async ValueTask InitializeAsync() => _backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), backend =>
    {
        TestSignIn.AddTo(backend);
        backend.Resource<Rack>("/v1/racks").Sortable(rack => rack.Name).AllowRead(Policy.Anyone);
        backend.Resource<Volume>("/v1/volumes")
            .BelongsTo(volume => volume.RackId!.Value, included: 2)
            .Sortable(volume => volume.Number)
            .AllowRead(Policy.For<Volume>((volume, user) => volume.OwnerId == user.Id) | Policy.Role("staff"));
    });

    public async ValueTask DisposeAsync() => await _backend.DisposeAsync();

    [Fact]
    public async Task What_stands_beside_rows_is_the_same_in_a_shared_statement()
    {
        var racks = Enumerable.Range(0, 7).Select(_ => Guid.CreateVersion7()).ToArray();
        await FillAsync(racks);
        string[] paths =
        [
            .. racks.SelectMany(rack => (string[])[$"/v1/racks/{Id<Rack>.From(rack)}?include=volumes", $"/v1/racks/{Id<Rack>.From(rack)}?include=volumes&fields=name"]),
            "/v1/racks/rack_00000000000000000000000000?include=volumes",
            "/v1/racks?include=volumes&pageSize=3", "/v1/racks?include=volumes&pageSize=3&fields=name", "/v1/racks?include=volumes&pageSize=3&fields=id,name", "/v1/racks?include=volumes&pageSize=100",
            "/v1/racks?include=volumes&pageSize=2&sort=-name", "/v1/racks?include=volumes&pageSize=7",
            "/v1/volumes?include=rack&pageSize=5", "/v1/volumes?include=rack&pageSize=5&sort=-number", "/v1/volumes?include=rack&pageSize=5&fields=number",
        ];
        Caller[] callers = [_backend.User("sam", "staff"), _backend.User("owner-0"), _backend.User("owner-1"), _backend.User("nobody")];
        // Each twice, so that those with the same values are there too.
        var reads = callers.Concat(callers).SelectMany(caller => paths.Select(path => (Caller: caller, Path: path))).ToArray();
        var alone = new List<Reply>();
        foreach (var (caller, path) in reads)
            alone.Add(await caller.GetAsync(path));
        alone.Count(reply => reply.Text.Contains("\"volumes\":[]", StringComparison.Ordinal)).ShouldBeGreaterThan(10);
        alone.Count(reply => reply.Text.Contains("\"number\"", StringComparison.Ordinal)).ShouldBeGreaterThan(10);

        var together = await HeldAsync(reads);

        for (var i = 0; i < reads.Length; i++)
        {
            together[i].Status.ShouldBe(alone[i].Status, reads[i].Path);
            if (alone[i].Status != 200)
                continue;
            // A cursor is the same for the same caller, so whole pages are.
            together[i].Text.ShouldBe(alone[i].Text, reads[i].Path);
            together[i].ETag.ShouldBe(alone[i].ETag, reads[i].Path);
            together[i].Header("Link").ShouldBe(alone[i].Header("Link"), reads[i].Path);
        }
    }

    [Fact]
    public async Task A_text_of_any_length_is_read_as_it_is()
    {
        var rack = Guid.CreateVersion7();
        await _backend.ExecuteAsync($"insert into racks (id, owner_id, name) values ('{rack}', 'owner-0', 'long')");
        string[] ends = ["", "x", "é", "€", "😀", "\"", "\\", "\n"];
        var texts = Enumerable.Range(1020, 8).Append(0).Append(2048).SelectMany(length => ends.Select(end => new string('a', Math.Max(0, length - Encoding.UTF8.GetByteCount(end))) + end)).ToArray();
        texts.ShouldContain(text => Encoding.UTF8.GetByteCount(text) == 1023);
        texts.ShouldContain(text => Encoding.UTF8.GetByteCount(text) == 1024);
        texts.ShouldContain(text => Encoding.UTF8.GetByteCount(text) == 1025);
        for (var i = 0; i < texts.Length; i++)
            await _backend.ExecuteAsync($"insert into volumes (id, owner_id, rack_id, number, text) values ('{Guid.CreateVersion7()}', 'owner-0', '{rack}', {i}, {SqlName.Literal(texts[i])})");

        var rows = await _backend.User("owner-0").WalkAsync("/v1/volumes?sort=number&pageSize=100");

        rows.Select(row => row.GetProperty("text").GetString()).ShouldBe(texts);
    }

    private async Task FillAsync(Guid[] racks)
    {
        var sql = new StringBuilder();
        for (var i = 0; i < racks.Length; i++)
        {
            sql.Append(System.Globalization.CultureInfo.InvariantCulture, $"insert into racks (id, owner_id, name) values ('{racks[i]}', 'owner-{i % 2}', 'rack {i % 3}');\n");
            for (var number = 0; number < i; number++)
                sql.Append(System.Globalization.CultureInfo.InvariantCulture, $"insert into volumes (id, owner_id, rack_id, number, text) values ('{Guid.CreateVersion7()}', 'owner-{number % 2}', {(number == 4 ? "null" : $"'{racks[i]}'")}, {number % 3}, 'text');\n");
        }
        await _backend.ExecuteAsync(sql.ToString());
    }

    /// <summary>Starts reads while a table that each of them needs is locked, and lets it go once most of them wait for each other.</summary>
    private async Task<Reply[]> HeldAsync((Caller Caller, string Path)[] reads)
    {
        _backend.Running.Services.Reads.Patience = TimeSpan.FromMinutes(5);
        await using var connection = await _backend.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var hold = new Npgsql.NpgsqlCommand("lock table racks in access exclusive mode", connection, transaction))
            await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        var replies = reads.Select(read => read.Caller.GetAsync(read.Path)).ToArray();
        await Waiting.UntilAsync(() => Task.FromResult(WaitingCount >= reads.Length / 3));
        await transaction.RollbackAsync(TestContext.Current.CancellationToken);
        return await Task.WhenAll(replies);
    }
}
