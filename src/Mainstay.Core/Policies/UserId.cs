using System.Globalization;

namespace Mainstay.Internal;

/// <summary>The user's id as the value of a column. An id that has no such value is equal to none, and so is the missing id of an anonymous user.</summary>
internal static class UserId
{
    public static bool CanBe(Type type) =>
        type == typeof(Guid) || type == typeof(int) || type == typeof(long) || type == typeof(short) || IId.OwnerOf(type) is not null;

    public static object? As(Type type, User user)
    {
        if (!user.IsAuthenticated)
            return null;
        return type == typeof(string) ? Text.IsStorable(user.Id) ? user.Id : null : Parse(type, user.Id);
    }

    // Only the very text that ToString would give: '007' and ' 7' are not the user 7.
    public static object? Parse(Type type, string text)
    {
        if (IId.OwnerOf(type) is { } owner)
            return IdPrefixAttribute.Of(owner).Prefix is { } prefix && TypeId.TryParse(text, prefix, out var id) ? id : null;
        if (type == typeof(Guid))
            return Guid.TryParseExact(text, "D", out var uuid) && uuid.ToString() == text ? uuid : null;

        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) || number.ToString(CultureInfo.InvariantCulture) != text)
            return null;
        if (type == typeof(long))
            return number;
        if (type == typeof(int))
            return number is >= int.MinValue and <= int.MaxValue ? (int)number : null;
        return number is >= short.MinValue and <= short.MaxValue ? (short)number : null;
    }
}
