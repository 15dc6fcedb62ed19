using System.Globalization;
using System.Linq.Expressions;
using System.Text;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>
/// The promise of policies: one rule, three readings (the compiled lambda, the predicate in memory, the predicate in SQL), one set of rows.
/// The seed is printed; MAINSTAY_TEST_SEED repeats it.
/// </summary>
public sealed class PredicateSqlPropertyTests(PostgresFixture postgres)
{
    private const int Rules = 3_000;
    private const int Rows = 300;
    private const int BatchSize = 100;

    [Fact]
    public async Task Random_rules_and_their_negations_choose_the_same_rows_in_memory_and_in_postgres()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var seed = int.TryParse(Environment.GetEnvironmentVariable("MAINSTAY_TEST_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"MAINSTAY_TEST_SEED={seed}");
        var random = new RandomPolicies(new Random(seed));
        var rows = Enumerable.Range(0, Rows).Select(_ => random.Row()).ToArray();
        var stored = rows.Select(InMicroseconds.Of).ToArray();
        await using var source = NpgsqlDataSource.Create(await postgres.CreateDatabaseAsync());
        await InsertAsync(source, rows, cancellation);

        var telling = 0;
        foreach (var rules in Enumerable.Range(0, Rules).Select(_ => new Case(random)).Chunk(BatchSize))
        {
            await using var batch = source.CreateBatch();
            foreach (var query in rules.SelectMany(rule => rule.Queries))
                batch.BatchCommands.Add(query.Command);

            await using var reader = await batch.ExecuteReaderAsync(cancellation);
            foreach (var rule in rules)
            {
                foreach (var (predicate, command) in rule.Queries)
                {
                    await reader.ReadAsync(cancellation);
                    var bySql = reader.GetFieldValue<int[]>(0);
                    await reader.NextResultAsync(cancellation);
                    var inMemory = Enumerable.Range(0, rows.Length).Where(i => predicate.Holds(rows[i])).ToArray();

                    bySql.ShouldBe(inMemory, $"seed {seed}, user {rule.User}\n{rule.Rule}\n{command.CommandText}");
                    telling += bySql.Length is > 0 and < Rows ? 1 : 0;
                }

                Enumerable.Range(0, rows.Length).ShouldAllBe(i => rule.Queries[0].Predicate.Holds(rows[i]) != rule.Queries[1].Predicate.Holds(rows[i]), $"seed {seed}\n{rule.Rule}");
                rule.DiffersFromTheCompiledLambda(stored).ShouldBeEmpty($"seed {seed}, user {rule.User}\n{rule.Rule}");
            }
        }

        // Otherwise the generator has become too tame to find anything.
        telling.ShouldBeGreaterThan(Rules);
    }

    private static async Task InsertAsync(NpgsqlDataSource source, Item[] rows, CancellationToken cancellation)
    {
        var columns = typeof(Item).GetProperties();
        var types = columns.Select(column => SqlValue.Parameter(null, column.PropertyType).DataTypeName);
        await using var create = source.CreateCommand($"create table items (ordinal int primary key, {string.Join(", ", columns.Zip(types, (column, type) => $"\"{column.Name}\" {type}"))})");
        await create.ExecuteNonQueryAsync(cancellation);

        await using var batch = source.CreateBatch();
        for (var i = 0; i < rows.Length; i++)
        {
            var insert = new NpgsqlBatchCommand($"insert into items values ({i}, {string.Join(", ", columns.Select((_, c) => $"${c + 1}"))})");
            foreach (var column in columns)
                insert.Parameters.Add(SqlValue.Parameter(column.GetValue(rows[i]), column.PropertyType));
            batch.BatchCommands.Add(insert);
        }

        await batch.ExecuteNonQueryAsync(cancellation);
    }

    private sealed class Case
    {
        private readonly Func<Item, User, bool> compiled;

        public Case(RandomPolicies random)
        {
            User = random.Caller();
            Rule = random.Rule();
            compiled = ((Expression<Func<Item, User, bool>>)new InMicroseconds().Visit(Rule)).Compile(preferInterpretation: true);
            var negation = random.Lambda(Expression.Not(Rule.Body));
            Queries = [Query(Policy.For(Rule)), Query(Policy.For(negation))];
        }

        public User User { get; }

        public Expression<Func<Item, User, bool>> Rule { get; }

        public (Predicate Predicate, NpgsqlBatchCommand Command)[] Queries { get; }

        // Where the lambda itself throws for a null there is nothing to agree with, and the anonymous user is nobody on purpose.
        public IEnumerable<int> DiffersFromTheCompiledLambda(Item[] rows)
        {
            if (User == User.Anonymous)
                yield break;

            for (var i = 0; i < rows.Length; i++)
            {
                bool expected;
                try
                {
                    expected = compiled(rows[i], User);
                }
                catch (Exception e) when (e is NullReferenceException or InvalidOperationException)
                {
                    continue;
                }

                if (expected != Queries[0].Predicate.Holds(rows[i]))
                    yield return i;
            }
        }

        private (Predicate, NpgsqlBatchCommand) Query(Policy policy)
        {
            var predicate = policy.Resolve(User, typeof(Item));
            var text = new StringBuilder("select coalesce(array_agg(i.ordinal order by i.ordinal), '{}') from items i where ");
            var parameters = new List<NpgsqlParameter>();
            PredicateSql.Write(predicate, "i", member => $"\"{member}\"", text, parameters);
            var command = new NpgsqlBatchCommand(text.ToString());
            parameters.ForEach(parameter => command.Parameters.Add(parameter));
            return (predicate, command);
        }
    }

    /// <summary>C# compares tenths of microseconds, which no stored time has: cut them off, and its own comparison is the one to agree with.</summary>
    private sealed class InMicroseconds : ExpressionVisitor
    {
        public static Item Of(Item row)
        {
            var stored = new Item();
            foreach (var column in typeof(Item).GetProperties())
                column.SetValue(stored, Cut(column.GetValue(row)));
            return stored;
        }

        protected override Expression VisitConstant(ConstantExpression node)
        {
            if (node.Value is not Array values)
                return Expression.Constant(Cut(node.Value), node.Type);

            var copy = (Array)values.Clone();
            for (var i = 0; i < copy.Length; i++)
                copy.SetValue(Cut(copy.GetValue(i)), i);
            return Expression.Constant(copy);
        }

        private static object? Cut(object? value) => value switch
        {
            DateTimeOffset instant => Microseconds.Truncate(instant),
            TimeOnly time => Microseconds.Truncate(time),
            TimeSpan span => Microseconds.Truncate(span),
            _ => value,
        };
    }
}
