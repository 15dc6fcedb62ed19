using System.Globalization;
using Mainstay.Internal;

namespace Mainstay.Tests.Shapes;

public sealed class ExactDecimalTests
{
    [Theory]
    [InlineData("0", "0")]
    [InlineData("-0.00", "0.00")]
    [InlineData("4.50", "4.50")]
    [InlineData("-12.5", "-12.5")]
    [InlineData("1e3", "1000")]
    [InlineData("12e-2", "0.12")]
    [InlineData("1234567890123456789012345678", "1234567890123456789012345678")]
    [InlineData("0.1234567890123456789012345678", "0.1234567890123456789012345678")]
    [InlineData("00120.0340", "120.0340")]
    [InlineData("79228162514264337593543950335", "79228162514264337593543950335")]
    [InlineData("1e28", "10000000000000000000000000000")]
    public void A_number_that_fits_is_read_exactly(string text, string value)
    {
        ExactDecimal.TryParse(text, out var parsed).ShouldBeTrue();
        parsed.ShouldBe(decimal.Parse(value, CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("-1e-30")]
    [InlineData("1e-30")]
    [InlineData("99999.99999999999999999999999999")]
    [InlineData("1.00000000000000000000000000000001")]
    [InlineData("79228162514264337593543950336")]
    [InlineData("7.9228162514264337593543950336")]
    [InlineData("1e29")]
    [InlineData("1e999")]
    [InlineData("1e99999999999")]
    [InlineData("")]
    [InlineData("-")]
    [InlineData("1,5")]
    [InlineData("1.2.3")]
    [InlineData("0x10")]
    [InlineData("1e")]
    [InlineData(" 1")]
    [InlineData("+1")]
    public void A_number_that_would_be_rounded_or_is_none_is_refused(string text) => ExactDecimal.TryParse(text, out _).ShouldBeFalse();
}
