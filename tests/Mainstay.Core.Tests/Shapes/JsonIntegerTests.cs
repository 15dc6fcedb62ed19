using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay.Tests.Shapes;

public sealed class JsonIntegerTests
{
    [Theory]
    [InlineData("0", 0L)]
    [InlineData("-0.000e5", 0L)]
    [InlineData("9223372036854775807", long.MaxValue)]
    [InlineData("9223372036854775807.0", long.MaxValue)]
    [InlineData("-9223372036854775808.00", long.MinValue)]
    [InlineData("922337203685477580.7e1", long.MaxValue)]
    [InlineData("0.0012e4", 12L)]
    [InlineData("12000e-3", 12L)]
    [InlineData("1e18", 1_000_000_000_000_000_000L)]
    public void A_value_without_a_fraction_is_read_exactly(string text, long expected)
    {
        JsonInteger.TryGet<long>(JsonElement.Parse(text), out var value).ShouldBeTrue();
        value.ShouldBe(expected);
    }

    [Theory]
    [InlineData("9223372036854775808", true)]
    [InlineData("9223372036854775808.0", true)]
    [InlineData("-9223372036854775809e0", true)]
    [InlineData("1e19", true)]
    [InlineData("1e2147483648", true)]
    [InlineData("1.5", false)]
    [InlineData("12e-1", false)]
    [InlineData("1e-99999999999", false)]
    [InlineData("0.000000000000000000000000000000000000001", false)]
    public void What_does_not_fit_is_told_from_what_is_no_integer(string text, bool isIntegral)
    {
        JsonInteger.TryGet<long>(JsonElement.Parse(text), out _).ShouldBeFalse();
        JsonInteger.IsIntegral(Encoding.ASCII.GetBytes(text)).ShouldBe(isIntegral);
    }

    [Fact]
    public void It_agrees_with_arithmetic_of_any_size()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        for (var i = 0; i < 5000; i++)
        {
            var digits = string.Concat(Enumerable.Range(0, random.Next(1, 22)).Select(_ => random.Next(3) == 0 ? '0' : (char)('0' + random.Next(10)))).TrimStart('0');
            var fraction = random.Next(2) == 0 ? "" : string.Concat(Enumerable.Range(0, random.Next(1, 6)).Select(_ => (char)('0' + random.Next(random.Next(2) == 0 ? 1 : 10))));
            var exponent = random.Next(2) == 0 ? 0 : random.Next(-8, 9);
            var text = (random.Next(2) == 0 ? "-" : "") + (digits.Length == 0 ? "0" : digits) + (fraction.Length == 0 ? "" : "." + fraction) + (exponent == 0 ? "" : "e" + exponent.ToString(CultureInfo.InvariantCulture));
            var scaled = BigInteger.Parse(digits + fraction is "" ? "0" : digits + fraction, CultureInfo.InvariantCulture) * (text[0] == '-' ? -1 : 1);
            var scale = exponent - fraction.Length;
            var isIntegral = scale >= 0 || scaled % BigInteger.Pow(10, -scale) == 0;
            var value = scale >= 0 ? scaled * BigInteger.Pow(10, scale) : scaled / BigInteger.Pow(10, -scale);

            JsonInteger.IsIntegral(Encoding.ASCII.GetBytes(text)).ShouldBe(isIntegral, $"{text}, seed {seed}");
            JsonInteger.TryGet<long>(JsonElement.Parse(text), out var read).ShouldBe(isIntegral && value >= long.MinValue && value <= long.MaxValue, $"{text}, seed {seed}");
            if (isIntegral && value >= long.MinValue && value <= long.MaxValue)
                read.ShouldBe((long)value, $"{text}, seed {seed}");
        }
    }
}
