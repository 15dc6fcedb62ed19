namespace Mainstay.Tests;

/// <summary>A command is not the row that it answers with, but who sends the tag of that row means the row.</summary>
public sealed class CommandConditionTests(NotesFixture notes) : IClassFixture<NotesFixture>
{
    [Fact]
    public async Task If_match_on_a_command_compares_the_row_that_it_returns_as_it_was_before()
    {
        var path = await notes.NoteAsync(5);
        var tag = (await notes.Anyone.GetAsync(path)).ETag;

        (await notes.Ann.PostAsync(path + "/touch", "{}", "If-Match: \"v9\"")).Expect(412, "precondition-failed");
        (await notes.Ann.PostAsync(path + "/touch", "{}", "If-Match: W/" + tag)).Expect(412, "precondition-failed");
        (await notes.Ann.PostAsync(path + "/touch", "{}", "If-None-Match: *")).Expect(412, "precondition-failed");
        (await notes.Ann.PostAsync(path + "/touch", "{}", "If-Unmodified-Since: Sat, 31 Jan 2026 09:30:00 GMT")).Expect(428, "precondition-required");
        (await notes.Anyone.GetAsync(path)).ETag.ShouldBe(tag);

        var touched = (await notes.Ann.PostAsync(path + "/touch", new { times = 3 }, "If-Match: " + tag)).Expect(200);
        touched.Data.GetProperty("touched").GetInt32().ShouldBe(3);
        (await notes.Anyone.GetAsync(path)).ETag.ShouldBe(touched.ETag);
        (await notes.Ann.PostAsync(path + "/touch", "{}", "If-Match: " + tag)).Expect(412, "precondition-failed");
        (await notes.Ann.PostAsync(path + "/touch", new { times = 0 }, "If-Match: " + touched.ETag)).Expect(200).ETag.ShouldBe(touched.ETag);
    }

    [Fact]
    public async Task Of_eight_commands_with_one_tag_exactly_one_succeeds()
    {
        var path = await notes.NoteAsync(5);
        var tag = (await notes.Anyone.GetAsync(path)).ETag;

        var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => notes.Ann.PostAsync(path + "/touch", "{}", "If-Match: " + tag)));

        replies.Count(reply => reply.Status == 200).ShouldBe(1);
        replies.Count(reply => reply.Status == 412).ShouldBe(7);
        (await notes.Anyone.GetAsync(path)).Data.GetProperty("touched").GetInt32().ShouldBe(1);
    }

    [Fact]
    public async Task A_condition_on_a_command_that_returns_no_row_is_never_passed_over()
    {
        var path = await notes.NoteAsync(5);

        (await notes.Ann.PostAsync(path + "/forget", "{}", "If-Match: \"v1\"")).Expect(412, "precondition-failed");
        (await notes.Ann.PostAsync("/v1/numbers", null, "If-Match: *")).Expect(412, "precondition-failed");
        (await notes.Anyone.GetAsync(path)).Expect(200);
        (await notes.Ann.PostAsync(path + "/forget", "{}")).Expect(204);
    }

    [Fact]
    public async Task A_replay_comes_before_conditions()
    {
        const string key = "Idempotency-Key: touch-1";
        var path = await notes.NoteAsync(5);
        var first = (await notes.Ann.PostAsync(path + "/touch", "{}", key, "If-Match: \"v1\"")).Expect(200);

        var replay = (await notes.Ann.PostAsync(path + "/touch", "{}", key, "If-Match: \"v1\"")).Expect(200);

        replay.Text.ShouldBe(first.Text);
        replay.Header("Idempotency-Replayed").ShouldBe("true");
    }
}
