using System.Globalization;

namespace Mainstay.Internal;

/// <summary>What a declaration says about where its work stands among other work.</summary>
internal sealed class Placement
{
    /// <summary>Keys are parts of indexes, whose rows are limited, and are compared at every enqueue.</summary>
    private const int KeyCharactersMost = 400;

    /// <summary>Gives the key of a unique job from its record; null when the declaration names none.</summary>
    public Func<object, object?>? Unique { get; set; }

    /// <summary>For how long a unique key keeps others out; null for until its job has ended.</summary>
    public TimeSpan? UniqueFor { get; set; }

    /// <param name="handler">The stored name of the job.</param>
    /// <param name="input">Its record.</param>
    /// <param name="given">The key that whoever enqueues it gives; wins over what is declared.</param>
    public UniqueKey? UniqueOf(string handler, object input, string? given) =>
        (given is null ? TextOf(handler, Unique, input) : Checked(handler, given)) is { } key ? new UniqueKey(key, UniqueFor) : null;

    private static string? TextOf(string handler, Func<object, object?>? key, object input) => key?.Invoke(input) switch
    {
        null => null,
        IFormattable value => Checked(handler, value.ToString(null, CultureInfo.InvariantCulture)),
        var value => Checked(handler, value.ToString() ?? ""),
    };

    private static string Checked(string handler, string key) => key.Length <= KeyCharactersMost
        ? key
        : throw new ArgumentException($"MST2511: A key of '{handler}' has {key.Length} characters, expected at most {KeyCharactersMost}. Take an id, or a hash of the text.");
}
