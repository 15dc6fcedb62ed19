namespace Mainstay.Internal;

/// <summary>A resource as declared: its table, its path, its policies and access patterns.</summary>
internal sealed class ResourceModel(string path, TableModel table)
{
    public const int IncludedMost = 20;

    private readonly List<Column> _filters = [];
    private readonly List<Column> _sorts = [];
    private readonly List<ResourceParent> _parents = [];

    /// <summary>The path of the collection, for example <c>/v1/products</c>.</summary>
    public string Path { get; } = path;

    /// <summary>The collection's name: the last segment of the path.</summary>
    public string Name { get; } = path[(path.LastIndexOf('/') + 1)..];

    public TableModel Table { get; } = table;

    public IReadOnlyList<Column> Filters => _filters;

    public IReadOnlyList<Column> Sorts => _sorts;

    public HashSet<Column> ReadOnly { get; } = [];

    public IReadOnlyList<ResourceParent> Parents => _parents;

    public Policy? Read { get; set; }

    public Policy? Create { get; set; }

    public Policy? Update { get; set; }

    public Policy? Delete { get; set; }

    public bool RequiresIfMatch { get; set; }

    /// <summary>How long reads may be kept without asking.</summary>
    public CachePolicy Cache { get; set; } = CachePolicy.Revalidate;

    /// <summary>Since when and until when it is served, when it is on its way out.</summary>
    public Deprecation? Deprecation { get; set; }

    /// <summary>What every tag of a whole row says about how rows are written; see <see cref="ETags.ShapeOf"/>.</summary>
    public string Shape { get; } = ETags.ShapeOf(table);

    public RateLimitDeclarations RateLimits { get; } = new();

    /// <summary>What <c>include</c> accepts here. Known once all resources are declared.</summary>
    public IReadOnlyList<ResourceInclude> Includes { get; private set; } = [];

    public IEnumerable<(string Verb, Policy Policy)> Policies =>
        new (string Verb, Policy? Policy)[] { ("AllowRead", Read), ("AllowCreate", Create), ("AllowUpdate", Update), ("AllowDelete", Delete) }
            .Where(pair => pair.Policy is not null).Select(pair => (pair.Verb, pair.Policy!));

    public void AddFilter(Column column)
    {
        if (column.Member.Scalar is DocumentShape or { Format: "byte" })
            throw new ConfigurationException("MST1404", $"{Table.RowType.Name}.{column.Member.Property.Name} cannot be filtered by: it is {column.Member.Scalar.Expected}. Filter by a member with a single value.");
        _filters.Add(column);
        if (column != Table.Key)
            Table.AddIndex(isUnique: false, [column, Table.Key]);
    }

    public void AddSort(Column column)
    {
        if (column.Member.IsNullable)
            throw new ConfigurationException("MST1404", $"{Table.RowType.Name}.{column.Member.Property.Name} cannot be sorted by: it may be null, and a page after a null has no place to start. Make the member not nullable.");
        if (column.Member.Scalar is DocumentShape or { Format: "byte" } || column.Type.SqlType == "boolean")
            throw new ConfigurationException("MST1404", $"{Table.RowType.Name}.{column.Member.Property.Name} cannot be sorted by: it is {column.Member.Scalar!.Expected}. Sort by a text, a number, a time or an id.");
        _sorts.Add(column);
        if (column != Table.Key)
            Table.AddIndex(isUnique: false, [column, Table.Key]);
    }

    public void AddParent(Type parent, Column column, int included)
    {
        if (included is < 1 or > IncludedMost)
            throw new ConfigurationException("MST1404", $"{Table.RowType.Name}.BelongsTo includes {included} rows for each parent, expected 1 to {IncludedMost}.");
        if (_parents.Any(known => known.Type == parent))
            throw new ConfigurationException("MST1404", $"{Table.RowType.Name} belongs to {parent.Name} twice, and both would be served at the same nested path. Keep one BelongsTo, and make the other member Filterable.");
        _parents.Add(new ResourceParent(parent, column, included));
        Table.AddIndex(isUnique: false, [column, Table.Key]);
    }

    /// <summary>Works out the includes, once all resources are declared: to the parents of this resource, and to the resources whose parent it is.</summary>
    public void Resolve(IReadOnlyList<ResourceModel> resources)
    {
        var includes = new List<ResourceInclude>();
        foreach (var parent in _parents)
            if (resources.FirstOrDefault(resource => resource.Table.RowType == parent.Type) is { } target)
                includes.Add(new ResourceInclude(NameOfReference(parent.Column), target, parent.Column, IsMany: false, 1));
            else
                throw new ConfigurationException("MST1405", $"{Table.RowType.Name} belongs to {parent.Type.Name}, which is not a resource. Declare it with Resource<{parent.Type.Name}>(\"/v1/…\").");
        foreach (var child in resources)
            foreach (var parent in child.Parents.Where(parent => parent.Type == Table.RowType))
                includes.Add(new ResourceInclude(child.Name, child, parent.Column, IsMany: true, parent.Included));
        Includes = includes;
    }

    /// <summary><c>customerId</c> includes <c>customer</c>.</summary>
    private static string NameOfReference(Column column) =>
        column.Member.Name.EndsWith("Id", StringComparison.Ordinal) && column.Member.Name.Length > 2 ? column.Member.Name[..^2] : column.Member.Name + "Row";
}

/// <summary>A resource that rows belong to, through one of their columns.</summary>
internal sealed record ResourceParent(Type Type, Column Column, int Included);

/// <summary>A name that <c>include</c> accepts.</summary>
/// <param name="Name">What the client writes, and the member it finds.</param>
/// <param name="Target">The resource that is shown.</param>
/// <param name="Column">The id column that connects: ours for a parent, the target's for children.</param>
/// <param name="IsMany">Whether it shows children (an array) or a parent (an object).</param>
/// <param name="Most">How many rows for each row.</param>
internal sealed record ResourceInclude(string Name, ResourceModel Target, Column Column, bool IsMany, int Most);
