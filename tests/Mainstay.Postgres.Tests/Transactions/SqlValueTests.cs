using System.Text.Json;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

public sealed class SqlValueTests(PostgresFixture postgres)
{
    private static readonly Guid uuid = new("01890a5d-ac96-774b-bcce-b302099a8057");

    [Flags] private enum Marks { None, Red }

    [Fact]
    public async Task Each_type_arrives_as_its_own_postgres_type()
    {
        await using var source = NpgsqlDataSource.Create(await postgres.CreateDatabaseAsync());

        await Arrives("a'b", "text", "a'b");
        await Arrives(true, "boolean", "true");
        await Arrives((short)1, "smallint", "1");
        await Arrives(1, "integer", "1");
        await Arrives(1L, "bigint", "1");
        await Arrives(1.50m, "numeric", "1.50");
        await Arrives(1.5, "double precision", "1.5");
        await Arrives(1.5f, "real", "1.5");
        await Arrives(uuid, "uuid", uuid.ToString());
        await Arrives(Id<Owner>.From(uuid), "uuid", uuid.ToString());
        await Arrives(ItemStatus.InTransit, "text", "inTransit");
        await Arrives(new DateTimeOffset(2026, 3, 1, 14, 0, 0, TimeSpan.FromHours(2)).AddTicks(19), "timestamp with time zone", "2026-03-01 12:00:00.000001+00");
        await Arrives(new DateTimeOffset(1969, 7, 20, 20, 17, 40, TimeSpan.Zero).AddTicks(-1), "timestamp with time zone", "1969-07-20 20:17:39.999999+00");
        await Arrives(new DateOnly(2026, 3, 1), "date", "2026-03-01");
        await Arrives(new TimeOnly(12, 30), "time without time zone", "12:30:00");
        await Arrives(TimeSpan.FromMinutes(-90), "interval", "-01:30:00");
        await Arrives(new byte[] { 1, 255 }, "bytea", "\\x01ff");
        await Arrives(JsonSerializer.SerializeToElement(new { b = 1, a = new[] { 2 } }), "jsonb", """{"a": [2], "b": 1}""");
        await Arrives<object>(7, "integer", "7");

        await Arrives(new[] { "a", null }, "text[]", "{a,NULL}");
        await Arrives(new List<int> { 1, 2 }, "integer[]", "{1,2}");
        await Arrives(new int?[] { 1, null }, "integer[]", "{1,NULL}");
        await Arrives<IEnumerable<Id<Owner>>>([Id<Owner>.From(uuid)], "uuid[]", $"{{{uuid}}}");
        await Arrives<IReadOnlyList<ItemStatus>>([ItemStatus.Draft, ItemStatus.InTransit], "text[]", "{draft,inTransit}");
        await Arrives(new[] { new byte[] { 1 } }, "bytea[]", "{\"\\\\x01\"}");
        await Arrives(Array.Empty<long>(), "bigint[]", "{}");

        async Task Arrives<T>(T value, string type, string text)
        {
            await using var command = source.CreateCommand("select pg_typeof($1)::text, $1::text");
            command.Parameters.Add(SqlValue.Parameter(value, typeof(T)));
            await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
            await reader.ReadAsync(TestContext.Current.CancellationToken);
            (reader.GetString(0), reader.GetString(1)).ShouldBe((type, text));
        }
    }

    [Fact]
    public async Task A_null_keeps_its_type()
    {
        await using var source = NpgsqlDataSource.Create(await postgres.CreateDatabaseAsync());

        foreach (var (type, name) in new[]
        {
            (typeof(string), "text"), (typeof(int?), "integer"), (typeof(Id<Owner>?), "uuid"), (typeof(ItemStatus?), "text"), (typeof(JsonElement?), "jsonb"), (typeof(byte[]), "bytea"),
            (typeof(Guid[]), "uuid[]"), (typeof(List<ItemStatus?>), "text[]"), (typeof(DateTimeOffset?), "timestamp with time zone"),
        })
        {
            await using var command = source.CreateCommand("select pg_typeof($1)::text where $1 is null");
            command.Parameters.Add(SqlValue.Parameter(null, type));
            (await command.ExecuteScalarAsync(TestContext.Current.CancellationToken)).ShouldBe(name);
        }
    }

    [Theory]
    [InlineData(typeof(DateTime), "DateTimeOffset for an instant")]
    [InlineData(typeof(uint), "no such integer")]
    [InlineData(typeof(char), "Use string")]
    [InlineData(typeof(Marks), "one bool per flag")]
    [InlineData(typeof(Item), "SerializeToElement")]
    [InlineData(typeof(List<DateTime>), "MST1302")]
    [InlineData(typeof(int[,]), "MST1302")]
    public void Another_type_is_refused_with_what_to_use_instead(Type type, string message)
    {
        var error = Should.Throw<ConfigurationException>(() => SqlValue.Parameter(null, type));
        error.Code.ShouldBe("MST1302");
        error.Message.ShouldContain(message);
    }

    [Fact]
    public void A_number_without_a_member_is_not_stored_as_an_enum() =>
        Should.Throw<ArgumentOutOfRangeException>(() => SqlValue.Parameter((ItemStatus)9, typeof(ItemStatus)));
}
