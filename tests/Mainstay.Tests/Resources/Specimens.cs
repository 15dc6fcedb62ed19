using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

public enum Grade { Poor, Fair, Good }

/// <summary>A row with one member of each kind that lists can be sorted by, with and without a value.</summary>
public record Specimen(
    Id<Specimen> Id, string OwnerId, int Batch, [MaxLength(60)] string Name, [MaxLength(60)] string? Nickname, decimal Price, decimal? Discount, DateTimeOffset At, DateTimeOffset? SeenAt,
    Grade Grade, Grade? MaybeGrade, bool Flag, bool? MaybeFlag, double Ratio, Guid Token, DateOnly? Day, TimeSpan? Length, [MaxLength(2000)] string Description);

/// <summary>Specimens that belong to their owner, on a database whose text has an order of its own: letter case, accents and punctuation count only where all else is equal.</summary>
public sealed class SpecimenFixture(PostgresFixture postgres) : IAsyncLifetime
{
    private static int _batch;

    internal TestBackend Backend { get; private set; } = null!;

    internal Caller Staff => Backend.User("sam", "staff");

    internal ResourceModel Resource => Backend.Running.Services.Resources[typeof(Specimen)];

    /// <summary>A number that no other rows have.</summary>
    internal static int NextBatch() => Interlocked.Increment(ref _batch);

    internal static void Declare(Backend backend)
    {
        TestSignIn.AddTo(backend);
        backend.Resource<Specimen>("/v1/specimens")
            .Filterable(row => row.Batch, row => row.Name, row => row.Nickname, row => row.Price, row => row.Discount, row => row.Grade, row => row.Flag, row => row.MaybeFlag)
            .Sortable(row => row.Name, row => row.Nickname, row => row.Price, row => row.Discount, row => row.At, row => row.SeenAt, row => row.Grade, row => row.MaybeGrade, row => row.Flag,
                row => row.MaybeFlag, row => row.Ratio, row => row.Token, row => row.Day, row => row.Length)
            .Index(row => new { row.Batch, row.Price })
            .Index(row => new { row.OwnerId, row.Price })
            .Searchable(SearchLanguage.English, row => row.Name, row => row.Nickname, row => row.Description)
            .OffsetPages()
            .Counts()
            .AllowRead(Policy.For<Specimen>((row, user) => row.OwnerId == user.Id) | Policy.Role("staff"))
            .AllowWrite(Policy.Role("staff"));
    }

    public async ValueTask InitializeAsync() => Backend = await TestBackend.StartAsync(await CreateDatabaseAsync() + ";Application Name=test-app", Declare);

    /// <summary>Text sorts by Unicode's rules where this PostgreSQL has them, and by bytes elsewhere.</summary>
    private async Task<string> CreateDatabaseAsync()
    {
        var plain = await postgres.CreateDatabaseAsync();
        await using var connection = new NpgsqlConnection(postgres.Server.AdministratorConnectionString);
        await connection.OpenAsync();
        if (!await AskAsync(connection, "select exists (select from pg_collation where collprovider = 'i')"))
            return plain;
        var name = new NpgsqlConnectionStringBuilder(plain).Database + "_icu";
        await using var create = new NpgsqlCommand($"create database {name} owner mainstay template template0 encoding 'UTF8' locale_provider icu icu_locale 'en-US-u-kn-true'", connection);
        await create.ExecuteNonQueryAsync();
        return new NpgsqlConnectionStringBuilder(plain) { Database = name }.ConnectionString;
    }

    private static async Task<bool> AskAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (bool)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Inserts rows without the detour over HTTP, and returns their ids.</summary>
    internal async Task<List<string>> InsertAsync(Random random, int batch, int count)
    {
        var ids = new List<string>();
        var sql = new StringBuilder("insert into specimens (id, owner_id, batch, name, nickname, price, discount, at, seen_at, grade, maybe_grade, flag, maybe_flag, ratio, token, day, length, description) values ");
        for (var i = 0; i < count; i++)
        {
            // In any order, so that a row that comes may stand before or behind a cursor.
            var id = new Guid(Enumerable.Range(0, 16).Select(_ => (byte)random.Next(256)).ToArray());
            ids.Add(Id<Specimen>.From(id).ToString());
            sql.Append(i == 0 ? "" : ", ").Append(CultureInfo.InvariantCulture, $"('{id}', 'owner-{random.Next(5)}', {batch}, {string.Join(", ", Columns.Select(column => Value(random, column)))}, 'tea')");
        }
        if (count > 0)
            await Backend.ExecuteAsync(sql.ToString());
        return ids;
    }

    internal static readonly string[] Columns = ["name", "nickname", "price", "discount", "at", "seen_at", "grade", "maybe_grade", "flag", "maybe_flag", "ratio", "token", "day", "length"];

    /// <summary>One of few values, so that many rows are equal; and those that are near each other, equal in one sense, or none at all.</summary>
    internal static string Value(Random random, string column)
    {
        string[] texts = ["a", "A", "ä", "á", "a-b", "ab", "-ab", "a b", "b", "B", "ß", "ss", "Z", "z", "_a", " a", "a2", "a10", "é", "e\u0301", "I", "i", "İ", "ı", "", "Ω", "😀", "co\u00ADop", "coop", "'x' %_\\"];
        string[] prices = ["0", "0.1", "0.10", "0.100000000000000000000000001", "-1", "12345678901234567890.12345678", "12345678901234567890.12345679"];
        string[] times = ["2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000002Z", "2026-01-01T00:00:00.000003Z", "2026-01-01T00:00:00Z", "1999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000001Z"];
        string[] grades = ["poor", "fair", "good"];
        string OneOf(string[] values) => SqlName.Literal(values[random.Next(values.Length)]);
        string OrNull(string value) => random.Next(3) == 0 ? "null" : value;
        return column switch
        {
            "name" => OneOf(texts),
            "nickname" => OrNull(OneOf(texts)),
            "price" => OneOf(prices),
            "discount" => OrNull(OneOf(prices)),
            "at" => OneOf(times),
            "seen_at" => OrNull(OneOf(times)),
            "grade" => OneOf(grades),
            "maybe_grade" => OrNull(OneOf(grades)),
            "flag" => OneOf(["true", "false"]),
            "maybe_flag" => OrNull(OneOf(["true", "false"])),
            "ratio" => OneOf(["0.1", "-0", "0", "0.30000000000000004", "0.3", "1e-300", "1e300", "-1.5"]),
            "token" => OneOf(["00000000-0000-0000-0000-000000000000", "7fffffff-0000-0000-0000-000000000001", "80000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
            "day" => OrNull(OneOf(["2026-01-01", "2026-01-02", "0001-01-02"])),
            "length" => OrNull(OneOf(["1 day", "24 hours", "0.000001 seconds", "0", "-1 day"])),
            _ => throw new ArgumentOutOfRangeException(nameof(column)),
        };
    }

    public ValueTask DisposeAsync() => Backend?.DisposeAsync() ?? ValueTask.CompletedTask;
}
