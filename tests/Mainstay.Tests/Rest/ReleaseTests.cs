namespace Mainstay.Tests;

/// <summary>Two releases of one application, one after the other on one database.</summary>
public sealed class ReleaseTests(PostgresFixture postgres)
{
    [Fact]
    public async Task A_release_that_shows_more_of_a_row_gives_it_a_new_tag_and_still_takes_the_old_one_for_writes()
    {
        var database = await postgres.CreateDatabaseAsync();
        string path, tag, part;
        await using (var first = await TestBackend.StartAsync(database, backend => backend.Resource<First.Thing>("/v1/things").AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone)))
        {
            path = "/v1/things/" + (await first.Anonymous.PostAsync("/v1/things", new { name = "x" })).Expect(201).Id;
            tag = (await first.Anonymous.GetAsync(path)).ETag;
            part = (await first.Anonymous.GetAsync(path + "?fields=id")).ETag;
        }
        await using (var same = await TestBackend.StartAsync(database, backend => backend.Resource<First.Thing>("/v1/things").AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone)))
            (await same.Anonymous.GetAsync(path, "If-None-Match: " + tag)).Expect(304);

        await using var second = await TestBackend.StartAsync(database, backend => backend.Resource<Second.Thing>("/v1/things").AllowRead(Policy.Anyone).AllowWrite(Policy.Anyone));

        var now = (await second.Anonymous.GetAsync(path, $"If-None-Match: {tag}, {part}")).Expect(200);
        now.Data.TryGetProperty("note", out _).ShouldBeTrue();
        now.ETag.ShouldNotBe(tag);
        now.ETag.Length.ShouldBeLessThan(20);
        (await second.Anonymous.GetAsync(path + "?fields=id", "If-None-Match: " + part)).Expect(200);
        (await second.Anonymous.PatchAsync(path, """{"note":"n"}""", "If-Match: " + tag)).Expect(200);
        (await second.Anonymous.PatchAsync(path, """{"note":"m"}""", "If-Match: " + tag)).Expect(412);
    }

    private static class First
    {
        public sealed record Thing(Id<Thing> Id, string Name);
    }

    private static class Second
    {
        public sealed record Thing(Id<Thing> Id, string Name, string? Note = null);
    }
}
