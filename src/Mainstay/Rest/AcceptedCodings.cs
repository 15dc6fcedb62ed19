using System.Globalization;

namespace Mainstay.Internal;

/// <summary>The weights of an Accept-Encoding field (RFC 9110, section 12.5.3) for the codings there are.</summary>
/// <param name="Brotli">From 0, refused, to 1.</param>
/// <param name="Gzip">From 0, refused, to 1.</param>
/// <param name="Identity">From 0, refused, to 1; null where the field does not speak of it, which accepts it when nothing else is left.</param>
internal readonly record struct AcceptedCodings(double Brotli, double Gzip, double? Identity)
{
    /// <summary>Whether every answer would be refused.</summary>
    public bool RefusesAll => RefusesIdentity && Brotli == 0 && Gzip == 0;

    public bool RefusesIdentity => Identity == 0;

    /// <summary>The compressing coding that the client would rather have than none, or null.</summary>
    public string? Best => Math.Max(Brotli, Gzip) is var best && best > 0 && best >= (Identity ?? 0) ? Brotli >= Gzip ? Compression.Brotli : Compression.Gzip : null;

    public static AcceptedCodings Parse(ReadOnlySpan<char> field)
    {
        double? brotli = null, gzip = null, identity = null, others = null;
        foreach (var range in field.Split(','))
        {
            var element = field[range];
            var end = element.IndexOf(';');
            if (Weight(end < 0 ? [] : element[(end + 1)..]) is not { } weight)
                continue; // malformed: as if it were not there
            switch ((end < 0 ? element : element[..end]).Trim(" \t"))
            {
                case var name when name.Equals("br", StringComparison.OrdinalIgnoreCase):
                    brotli = weight;
                    break;
                case var name when name.Equals("gzip", StringComparison.OrdinalIgnoreCase) || name.Equals("x-gzip", StringComparison.OrdinalIgnoreCase):
                    gzip = weight;
                    break;
                case var name when name.Equals("identity", StringComparison.OrdinalIgnoreCase):
                    identity = weight;
                    break;
                case "*":
                    others = weight;
                    break;
            }
        }
        return new AcceptedCodings(brotli ?? others ?? 0, gzip ?? others ?? 0, identity ?? others);
    }

    private static double? Weight(ReadOnlySpan<char> parameters)
    {
        var text = parameters.Trim(" \t");
        if (text.IsEmpty)
            return 1;
        return text is ['q' or 'Q', '=', ..] && double.TryParse(text[2..], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var weight) && weight is >= 0 and <= 1 ? weight : null;
    }
}
