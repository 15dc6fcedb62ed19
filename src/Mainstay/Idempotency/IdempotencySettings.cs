using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Mainstay.Internal;

/// <summary>How long a backend keeps receipts, and how large they may be: the settings <c>Mainstay:Idempotency:Lifetime</c> and <c>Mainstay:Idempotency:AnswerBytesMost</c>.</summary>
internal static class IdempotencySettings
{
    public const string Lifetime = "Mainstay:Idempotency:Lifetime";
    public const string AnswerBytesMost = "Mainstay:Idempotency:AnswerBytesMost";

    /// <exception cref="ConfigurationException">MST2001: a setting cannot be read or is out of range.</exception>
    public static IdempotencyOptions Of(IConfiguration configuration)
    {
        var options = new IdempotencyOptions();
        var mistakes = new List<ConfigurationException>();
        if (configuration[Lifetime] is { } time)
            if (TimeSpan.TryParse(time, CultureInfo.InvariantCulture, out var lifetime) && IdempotencyOptions.IsLifetime(lifetime))
                options = options with { Lifetime = lifetime };
            else
                mistakes.Add(new("MST2001", $"{Lifetime} is '{time}', expected a time from 00:01:00 to 365.00:00:00 (days.hours:minutes:seconds), longer than your clients keep retrying. Default: 1.00:00:00."));
        if (configuration[AnswerBytesMost] is { } text)
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) && IdempotencyOptions.IsSize(bytes))
                options = options with { AnswerBytesMost = bytes };
            else
                mistakes.Add(new("MST2001", $"{AnswerBytesMost} is '{text}', expected 1 to {IdempotencyOptions.SizeMost} bytes. Default: {options.AnswerBytesMost}."));
        return mistakes.Count == 0 ? options : throw new ConfigurationException(mistakes);
    }
}
