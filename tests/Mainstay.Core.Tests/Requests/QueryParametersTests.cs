using Mainstay.Internal;

namespace Mainstay.Tests.Requests;

public sealed class QueryParametersTests
{
    [Theory]
    [InlineData("?a=1&b=2", "a", "1")]
    [InlineData("a=x%20y", "a", "x y")]
    [InlineData("a=x+y", "a", "x y")]
    [InlineData("a=x%2By", "a", "x+y")]
    [InlineData("a=%C3%A4", "a", "ä")]
    [InlineData("a=ä", "a", "ä")]
    [InlineData("a=😀b", "a", "😀b")]
    [InlineData("a", "a", "")]
    [InlineData("a=b=c", "a", "b=c")]
    [InlineData("&&a=1&", "a", "1")]
    public void A_parameter_is_decoded(string query, string name, string value) => QueryParameters.Parse(query).Find(name).ShouldBe(value);

    [Theory]
    [InlineData("a=%ff", "text")]
    [InlineData("a=%C3", "text")]
    [InlineData("a=%", "text")]
    [InlineData("a=%4", "text")]
    [InlineData("a=%zz", "text")]
    [InlineData("a=%00", "text")]
    [InlineData("a=b#c", "text")]
    [InlineData("a#=b", "text")]
    [InlineData("a=%ED%A0%80", "text")]
    [InlineData("a=1&a=2", "duplicate")]
    [InlineData("a=1&%61=2", "duplicate")]
    public void A_parameter_that_cannot_be_understood_in_one_way_is_refused(string query, string code)
    {
        var problem = Should.Throw<ProblemException>(() => QueryParameters.Parse(query));

        problem.Type.Code.ShouldBe("invalid-parameter");
        problem.Errors.ShouldHaveSingleItem().Code.ShouldBe(code);
    }

    [Theory]
    [InlineData("a=1&%zz=2", "%zz")]
    [InlineData("price=%ff", "price")]
    public void The_fault_names_its_parameter_as_it_was_sent(string query, string name)
    {
        var problem = Should.Throw<ProblemException>(() => QueryParameters.Parse(query));

        problem.Errors.ShouldHaveSingleItem().Parameter.ShouldBe(name);
        problem.Message.ShouldBe("One parameter is invalid; see errors.");
    }

    [Fact]
    public void There_is_a_limit_to_parameters() => Should.Throw<ProblemException>(() => QueryParameters.Parse(string.Join('&', Enumerable.Range(0, QueryParameters.Most + 5).Select(i => $"p{i}=1"))))
        .Errors.ShouldHaveSingleItem().Code.ShouldBe("maxItems");

    [Fact]
    public void Any_bytes_are_decoded_or_refused_but_never_break()
    {
        var random = new Random(20261120);
        for (var i = 0; i < 2000; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => random.Next(4) == 0 ? $"%{random.Next(256):x2}" : ((char)random.Next(0x20, 0x3000)).ToString()));
            try
            {
                QueryParameters.Parse("a=" + text.Replace("&", "", StringComparison.Ordinal));
            }
            catch (ProblemException)
            {
                // refused is fine
            }
        }
    }
}
