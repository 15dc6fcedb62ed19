using System.Text.RegularExpressions;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>A PostgreSQL schema, which holds the tables of the resources that are declared with it. Made by <see cref="Backend.Schema"/>.</summary>
public sealed partial class SchemaDeclaration
{
    private readonly Backend _backend;

    internal SchemaDeclaration(Backend backend, string name)
    {
        _backend = backend;
        // One that cannot be stops the start, and until then whatever else is wrong is looked for.
        Name = Readable(name);
    }

    /// <summary>The name of the schema.</summary>
    public string Name { get; }

    /// <summary>Declares a resource as <see cref="Backend.Resource{T}(string)"/> does, whose table, constraints and indexes are in this schema.</summary>
    /// <typeparam name="T">The row: a positional record whose first member is <c>Id&lt;T&gt; Id</c>.</typeparam>
    /// <param name="path">The path of the collection with its version, for example <c>/v1/products</c>. Its last segment names the table.</param>
    public ResourceDeclaration<T> Resource<T>(string path) where T : class => _backend.Resource<T>(path, Name);

    /// <exception cref="ConfigurationException">MST1409.</exception>
    internal static void Check(string name)
    {
        if (!NamePattern.IsMatch(name) || name.Length > SqlName.LongestLength)
            throw new ConfigurationException("MST1409",
                $"'{Readable(name)}' cannot be the schema of a module, expected a lower-case letter, then lower-case letters, digits and underscores, at most {SqlName.LongestLength} of them.");
        if (name is "mainstay" or "information_schema" || name.StartsWith("mainstay_", StringComparison.Ordinal) || name.StartsWith("pg_", StringComparison.Ordinal))
            throw new ConfigurationException("MST1409",
                $"'{name}' cannot be the schema of a module: 'mainstay' and what begins with 'mainstay_' are Mainstay's own, 'information_schema' and what begins with 'pg_' are PostgreSQL's. Choose another name, for example that of the module.");
    }

    private static string Readable(string name) => name.Replace("\0", "\\0", StringComparison.Ordinal);

    [GeneratedRegex(@"^[a-z][a-z0-9_]*\z", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern { get; }
}
