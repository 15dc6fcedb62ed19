using System.Linq.Expressions;
using System.Text;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

public sealed class PredicateSqlTests
{
    private static readonly User Ada = new("usr_1", roles: ["a", "b"]);

    [Fact]
    public void Positive_equality_stays_a_plain_comparison_that_an_index_answers()
    {
        Sql((item, user) => item.Text == user.Id).ShouldBe("""i."Text" = $1""");
        Sql((item, user) => item.Text == user.Id && (item.Flag || item.Number >= 5)).ShouldBe("""(i."Text" = $1 and (i."Flag" or i."Number" >= $2))""");
        Sql((item, user) => item.NumberMaybe == null || item.NumberMaybe == 5).ShouldBe("""(i."NumberMaybe" is null or i."NumberMaybe" = $1)""");
        Sql((item, user) => user.Roles.Contains(item.Text!)).ShouldBe("""i."Text" = any($1)""");
        Sql((item, user) => item.Text!.StartsWith("ab")).ShouldBe("""starts_with(i."Text", $1)""");
        Sql((item, user) => item.Number == item.NumberMaybe && item.Text == item.OtherText).ShouldBe("""(i."Number" = i."NumberMaybe" and i."Text" is not distinct from i."OtherText")""");
    }

    [Fact]
    public void Negations_count_nulls_as_csharp_does()
    {
        Sql((item, user) => item.Text != user.Id).ShouldBe("""i."Text" is distinct from $1""");
        Sql((item, user) => !(item.Flag && item.FlagMaybe == true)).ShouldBe("""(not i."Flag" or i."FlagMaybe" is not true)""");
        Sql((item, user) => !(item.Number < 5 || item.NumberMaybe < 5)).ShouldBe("""(i."Number" >= $1 and (i."NumberMaybe" < $2) is not true)""");
        Sql((item, user) => !user.Roles.Contains(item.Text!)).ShouldBe("""(i."Text" = any($1)) is not true""");
        Sql((item, user) => item.Number != item.NumberMaybe).ShouldBe("i.\"Number\" is distinct from i.\"NumberMaybe\"");
    }

    [Fact]
    public void What_is_decided_is_a_constant()
    {
        Sql((item, user) => user.HasRole("a") || item.Flag).ShouldBe("true");
        Sql((item, user) => user.HasRole("c") && item.Flag).ShouldBe("false");
    }

    [Fact]
    public void Parameters_continue_those_of_the_statement_and_an_alias_is_optional()
    {
        var text = new StringBuilder("select 1 from items where \"Number\" > $1 and ");
        var parameters = new List<NpgsqlParameter> { SqlValue.Parameter(3, typeof(int)) };

        PredicateSql.Write(Policy.For<Item>((item, user) => item.Text == user.Id).Resolve(Ada, typeof(Item)), "", member => $"\"{member}\"", text, parameters);

        text.ToString().ShouldEndWith("""and "Text" = $2""");
        parameters[1].ShouldBeOfType<NpgsqlParameter<string>>().TypedValue.ShouldBe("usr_1");
    }

    private static string Sql(Expression<Func<Item, User, bool>> rule)
    {
        var text = new StringBuilder();
        PredicateSql.Write(Policy.For(rule).Resolve(Ada, typeof(Item)), "i", member => $"\"{member}\"", text, []);
        return text.ToString();
    }
}
