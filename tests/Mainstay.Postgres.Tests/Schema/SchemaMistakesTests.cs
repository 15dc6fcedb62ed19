using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay.Tests.Schema;

public sealed class SchemaMistakesTests
{
    private sealed record Box(Id<Box> Id, string Label, int Size);

    private sealed record BoxLabel(Id<BoxLabel> Id, string Text);

    private sealed record Twins(Id<Twins> Id, int AbTest, int Ab_test);

    private sealed record Hidden(Id<Hidden> Id, int Xmin);

    private sealed record Impossible(
        Id<Impossible> Id,
        [MinLength(2000)] string TooShort,
        [Range(5, 1)] int Backwards,
        [Range(double.NaN, 1)] double NoNumber,
        [Range(1, 1, MinimumIsExclusive = true)] int Empty,
        [Range(1, 9)] int Low = 0,
        [MaxLength(2)] string Long = "abc");

    private sealed record Wide(Id<Wide> Id, [MaxLength(4000)] string Story, JsonElement Document, string A, string B, string C);

    [Fact]
    public void Two_records_in_one_table_are_refused() =>
        Mistakes(SchemaTest.Table<Box>("box"), SchemaTest.Table<BoxLabel>("box")).ShouldBe(
            ["MST1503: The records Box and BoxLabel are both kept in the table 'box', expected a table for each. Rename one of the records or give it another table name."]);

    [Fact]
    public void Two_members_in_one_column_are_refused() =>
        Mistakes(SchemaTest.Table<Twins>("twins")).ShouldBe(
            ["MST1503: The members Twins.AbTest and Twins.Ab_test are both kept in the column 'ab_test', expected a column for each. Rename one of them."]);

    [Fact]
    public void A_name_that_two_constraints_would_have_is_refused() =>
        Mistakes(SchemaTest.Table<Box>("box"), SchemaTest.Table<BoxLabel>("box_label_check")).ShouldBe(
            ["MST1503: The name 'box_label_check' is taken twice, by the check of box.label and by the table of BoxLabel. Rename one of the records or members."]);

    [Theory]
    [InlineData("", "''")]
    [InlineData("pg_box", "'pg_box'")]
    public void A_name_that_PostgreSQL_keeps_for_itself_is_refused(string name, string shown) =>
        Mistakes(SchemaTest.Table<Box>(name)).Single().ShouldStartWith($"MST1504: Box cannot be kept in a table named {shown},");

    [Fact]
    public void A_name_of_a_system_column_is_refused() => Mistakes(SchemaTest.Table<Hidden>("hidden")).Single().ShouldStartWith("MST1504: Hidden.Xmin cannot be kept in a column named 'xmin'");

    [Fact]
    public void A_name_is_measured_in_bytes()
    {
        Mistakes(SchemaTest.Table<Box>(new string('x', 63))).ShouldBeEmpty();
        Mistakes(SchemaTest.Table<Box>(new string('x', 64))).Single().ShouldContain("which has 64 bytes, expected at most 63");
        Mistakes(SchemaTest.Table<Box>(new string('é', 32)))[0].ShouldContain("which has 64 bytes, expected at most 63");
    }

    [Fact]
    public void Bounds_that_no_value_meets_are_all_named() =>
        Mistakes(SchemaTest.Table<Impossible>("impossible")).ShouldBe([
            "MST1505: Impossible.TooShort must be at least 2000 and at most 1000 long, which no value is. Correct the bounds; without [MaxLength] they end at 1000.",
            "MST1505: The [Range] of Impossible.Backwards goes from 5 to 1, which no value meets. Correct the bounds.",
            "MST1505: The [Range] of Impossible.NoNumber has a bound that is no number. Write bounds that the member's type can hold.",
            "MST1505: The [Range] of Impossible.Empty goes from 1 to 1, which no value meets. Correct the bounds.",
            "MST1505: The default of Impossible.Low is outside the bounds of Impossible.Low, so every row that relies on it would be refused. Correct the default or the bounds.",
            "MST1505: The default of Impossible.Long is outside the bounds of Impossible.Long, so every row that relies on it would be refused. Correct the default or the bounds."]);

    [Fact]
    public void An_index_that_cannot_hold_its_values_is_refused()
    {
        var mistakes = Mistakes(SchemaTest.Table<Wide>("wide", table =>
        {
            table.AddIndex(false, table.FindMember("Story")!);
            table.AddIndex(false, table.FindMember("Document")!);
            table.AddIndex(true, table.FindMember("A")!, table.FindMember("B")!, table.FindMember("C")!);
            table.AddIndex(true, table.FindMember("A")!, table.FindMember("B")!);
        }));

        mistakes.Length.ShouldBe(3);
        mistakes[0].ShouldStartWith("MST1506: An index entry of Wide on A, B, C can have 3000 bytes, expected at most 2690");
        mistakes[1].ShouldStartWith("MST1506: An index entry of Wide on Story, Id can have 4016 bytes");
        mistakes[2].ShouldStartWith("MST1506: Wide.Document is a document, which has no order and no longest length");
    }

    [Fact]
    public async Task Mistakes_are_found_before_any_connection()
    {
        await using var nowhere = Npgsql.NpgsqlDataSource.Create("Host=/nowhere");

        var refusal = await Should.ThrowAsync<ConfigurationException>(() => SchemaStart.RunAsync(nowhere, [SchemaTest.Table<Hidden>("hidden")], SchemaMode.Apply,
            Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance, TestContext.Current.CancellationToken));

        refusal.Code.ShouldBe("MST1504");
    }

    private static string[] Mistakes(params TableModel[] tables)
    {
        try
        {
            SchemaMistakes.Refuse(tables);
            return [];
        }
        catch (ConfigurationException e)
        {
            return e.Message.Split('\n');
        }
    }
}
