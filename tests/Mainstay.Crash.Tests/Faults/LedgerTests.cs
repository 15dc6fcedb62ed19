namespace Mainstay.Tests;

/// <summary>The ledger finds what it is there for, when it is violated by hand.</summary>
public sealed class LedgerTests(SharedServer server)
{
    [Theory]
    [InlineData("more ran at the same time than may", """
        insert into runs (id, handler, key, number, node, open_before, began, ended)
        select gen_random_uuid(), 'narrow', i::text, 0, i, 0, now() + i * interval '1 ms', case i when 1 then now() + interval '1 s' end from generate_series(1, 4) i
        """)]
    [InlineData("", """
        insert into runs (id, handler, key, number, node, open_before, began, ended)
        select gen_random_uuid(), 'narrow', i::text, 0, i, 0, now() + i * interval '1 s', case when i < 5 then now() + i * interval '1 s' + interval '10 ms' end from generate_series(1, 7) i
        """)]
    [InlineData("", """
        insert into runs (id, handler, key, number, node, open_before, began) select gen_random_uuid(), 'narrow', i::text, 0, i, 0, now() + i * interval '1 s' from generate_series(1, 4) i;
        insert into deaths (node, at) values (2, now() + interval '3.9 s')
        """)]
    [InlineData("", """
        insert into runs (id, handler, key, number, node, open_before, began) select gen_random_uuid(), 'narrow', i::text, 0, i, 0, now() + i * interval '1 s' from generate_series(1, 4) i;
        insert into deaths (node, at) values (1, now() + interval '0.98 s')
        """)]
    [InlineData("", """
        insert into runs (id, handler, key, number, node, open_before, began, ended) select gen_random_uuid(), 'narrow', i::text, 0, i, 0, now() + i * interval '1 s', now() + interval '9 s' from generate_series(1, 4) i;
        insert into lapses (node, from_time, until) values (3, now() + interval '3.5 s', now() + interval '5 s')
        """)]
    [InlineData("more ran at the same time than may", """
        insert into runs (id, handler, key, number, node, open_before, began, ended) select gen_random_uuid(), 'narrow', i::text, 0, i, 0, now() + i * interval '1 s', now() + interval '9 s' from generate_series(1, 4) i;
        insert into lapses (node, from_time, until) values (3, now() + interval '1 s', now() + interval '2 s')
        """)]
    [InlineData("more began in a second than may", "insert into starts (key, at) select i, now() + i * interval '9 ms' from generate_series(1, 111) i")]
    [InlineData("", "insert into starts (key, at) select i, now() + i * interval '10 ms' from generate_series(1, 500) i")]
    [InlineData("something in order of a key began while something before it was open", """
        insert into runs (id, handler, key, lane, number, node, open_before) values (gen_random_uuid(), 'ordered', 'a-1', 'a', 1, 1, 1)
        """)]
    [InlineData("an effect was applied twice", "insert into effects (key) values ('a'), ('a'); insert into sent (id, key) values (gen_random_uuid(), 'a')")]
    public async Task It_finds(string what, string violation)
    {
        await using var scene = await Scene.CreateAsync(server);

        await scene.ExecuteAsync(violation);

        var findings = string.Join('\n', await Ledger.FindAsync(scene.Source, Scene.Stop));
        if (what == "")
            findings.ShouldBe("");
        else
            findings.ShouldContain(what);
    }
}
