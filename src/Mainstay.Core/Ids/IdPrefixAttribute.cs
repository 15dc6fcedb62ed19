using System.Reflection;
using System.Text;

namespace Mainstay;

/// <summary>The prefix that ids of this type have in text, for example <c>ord</c> in <c>ord_01h455vb4pex5vsknk084sn02q</c>. Without it the prefix is the type's name in snake case.</summary>
/// <remarks>Texts with the prefix are stored and sent by others, so write it before renaming a type whose ids are in use.</remarks>
/// <param name="prefix">One to 63 lower-case letters, with underscores between them.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct | AttributeTargets.Interface, Inherited = false)]
public sealed class IdPrefixAttribute(string prefix) : Attribute
{
    /// <summary>One to 63 lower-case letters, with underscores between them.</summary>
    public string Prefix { get; } = prefix;

    /// <summary>The prefix of a type's ids: declared, else made of the type's name. A name that cannot be one gives a mistake instead of a prefix.</summary>
    internal static (string? Prefix, string? Mistake) Of(Type type)
    {
        var declared = type.GetCustomAttribute<IdPrefixAttribute>(inherit: false)?.Prefix;
        var prefix = declared ?? SnakeCase(type.Name);
        if (Internal.TypeId.IsPrefix(prefix))
            return (prefix, null);

        const string Expected = "expected one to 63 lower-case letters a to z, with underscores between them";
        return (null, declared is null
            ? $"The name of type {type} would give its ids the prefix '{prefix}', {Expected}. Write [IdPrefix(\"…\")] above the type."
            : $"[IdPrefix(\"{declared}\")] of type {type} is not a prefix, {Expected}. Correct the attribute.");
    }

    // PurchaseOrder → purchase_order, SKUEntry → sku_entry.
    private static string SnakeCase(string name)
    {
        var text = new StringBuilder(name.Length + 4);
        for (var i = 0; i < name.Length; i++)
        {
            var startsWord = i > 0 && char.IsUpper(name[i]) && name[i - 1] != '_'
                && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1])));
            if (startsWord)
                text.Append('_');
            text.Append(char.ToLowerInvariant(name[i]));
        }

        return text.ToString();
    }
}
