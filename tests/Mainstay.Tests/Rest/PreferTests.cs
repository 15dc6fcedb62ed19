using Mainstay.Internal;

namespace Mainstay.Tests;

public sealed class PreferTests(NotesFixture notes) : IClassFixture<NotesFixture>
{
    [Fact]
    public async Task Who_prefers_a_minimal_answer_gets_no_body()
    {
        var made = (await notes.Anyone.PostAsync("/v1/notes", new { text = "x" }, "Prefer: return=minimal")).Expect(201);
        made.Text.ShouldBeEmpty();
        made.Header("Preference-Applied").ShouldBe("return=minimal");
        made.Header("Content-Type").ShouldBeNull();
        made.Header("Content-Length").ShouldBe("0");
        var path = made.Header("Location")!;
        (await notes.Anyone.GetAsync(path)).Expect(200).ETag.ShouldBe(made.ETag);

        var patched = (await notes.Anyone.PatchAsync(path, """{"text":"y"}""", "Prefer: return=minimal", "If-Match: " + made.ETag)).Expect(204);
        patched.Header("Preference-Applied").ShouldBe("return=minimal");
        (await notes.Anyone.GetAsync(path)).ETag.ShouldBe(patched.ETag);
        (await notes.Anyone.PutAsync(path, new { text = "z" }, "Prefer: return=minimal")).Expect(204).Header("ETag").ShouldBeNull();
        (await notes.Ann.PostAsync(path + "/touch", "{}", "Prefer: return=minimal")).Expect(204).Text.ShouldBeEmpty();
        (await notes.Anyone.PostAsync("/v1/notes:batch", new[] { new { text = "a" } }, "Prefer: return=minimal")).Expect(201).Text.ShouldBeEmpty();
        (await notes.Anyone.GetAsync(path)).Data.GetProperty("text").GetString().ShouldBe("z");
    }

    [Fact]
    public async Task Who_prefers_a_representation_gets_one_and_the_word_for_it()
    {
        var made = (await notes.Anyone.PostAsync("/v1/notes", new { text = "x" }, "Prefer: return=representation")).Expect(201);
        made.Data.GetProperty("text").GetString().ShouldBe("x");
        made.Header("Preference-Applied").ShouldBe("return=representation");

        var deleted = (await notes.Anyone.DeleteAsync("/v1/notes/" + made.Id, "Prefer: return=representation")).Expect(204);
        deleted.Header("Preference-Applied").ShouldBeNull();
    }

    [Theory]
    [InlineData("return=tiny")]
    [InlineData("return")]
    [InlineData("handling=lenient")]
    [InlineData("handling=strict")]
    [InlineData("unknown, x=1; y=2")]
    [InlineData("\"return=minimal")]
    [InlineData(";;,,=")]
    [InlineData("return=minimal, return=representation")]
    [InlineData("return=representation, return=minimal")]
    public async Task A_preference_that_is_unknown_or_contradicts_itself_is_passed_over(string prefer)
    {
        var reply = (await notes.Anyone.PostAsync("/v1/notes", new { text = "x" }, "Prefer: " + prefer)).Expect(201);

        reply.Text.ShouldNotBeEmpty();
        reply.Header("Preference-Applied").ShouldBeNull();
    }

    [Fact]
    public async Task Reads_and_refusals_know_no_preference()
    {
        var path = await notes.NoteAsync(5);

        var read = (await notes.Anyone.GetAsync(path, "Prefer: return=minimal")).Expect(200);
        read.Text.ShouldNotBeEmpty();
        read.Header("Preference-Applied").ShouldBeNull();
        (await notes.Anyone.PatchAsync(path, """{"txt":1}""", "Prefer: return=minimal")).Expect(400, "validation-failed").Faults.ShouldBe(["#/txt unknown"]);
    }

    [Fact]
    public async Task A_replay_answers_what_was_kept_whatever_is_preferred_now()
    {
        const string key = "Idempotency-Key: prefer-1", other = "Idempotency-Key: prefer-2";
        var body = new { text = "x" };
        var minimal = (await notes.Ann.PostAsync("/v1/notes", body, key, "Prefer: return=minimal")).Expect(201);
        var whole = (await notes.Ann.PostAsync("/v1/notes", body, other)).Expect(201);

        var replay = (await notes.Ann.PostAsync("/v1/notes", body, key)).Expect(201);
        replay.Text.ShouldBeEmpty();
        replay.Header("Preference-Applied").ShouldBe("return=minimal");
        replay.Header("Location").ShouldBe(minimal.Header("Location"));
        (await notes.Ann.PostAsync("/v1/notes", body, other, "Prefer: return=minimal")).Expect(201).Text.ShouldBe(whole.Text);
    }

    [Fact]
    public void Preferences_are_read_as_rfc_7240_writes_them()
    {
        Preferences.Parse(null).ShouldBe(Preferences.None);
        Preferences.Parse("").ShouldBe(Preferences.None);
        var read = Preferences.Parse("respond-async, WAIT = 100 , Return=\"minimal\"; foo=\"a,b\", priority=5");
        (read.RespondAsync, read.Wait, read.Return).ShouldBe((true, TimeSpan.FromSeconds(100), PreferredReturn.Minimal));
        Preferences.Parse("wait=5, wait=9").Wait.ShouldBe(TimeSpan.FromSeconds(5));
        Preferences.Parse("x=\"respond-async, wait=1\"").ShouldBe(Preferences.None);
        foreach (var wrong in new[] { "wait", "wait=", "wait=-1", "wait=1.5", "wait=99999999999", "wait=x" })
            Preferences.Parse(wrong).Wait.ShouldBeNull(wrong);
    }
}
