namespace Mainstay.Internal;

/// <summary>A resource as declared: its table, its path, its policies and access patterns.</summary>
internal sealed class ResourceModel(string path, TableModel table)
{
    public const int IncludedMost = 20;

    /// <summary>The longest text that can be sorted by, in characters: in a cursor it must fit into a request line even with four bytes each.</summary>
    public const int SortedTextMost = 1000;

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

    /// <summary>What every tag of a row says about how rows are written, by <see cref="ETags.ShapeOf"/>. Known once the application starts.</summary>
    public string Shape { get; set; } = "";

    /// <summary>The parts of its statements that are the same for every request.</summary>
    public ResourceTexts Texts => field ??= new ResourceTexts(Table);

    public RateLimitDeclarations RateLimits { get; } = new();

    public bool RequiresKey { get; set; }

    /// <summary>Whether concurrent creations may be committed together.</summary>
    public bool IsCoalesced { get; set; }

    /// <summary>Whether lists take <c>page</c>.</summary>
    public bool HasPageNumbers { get; set; }

    /// <summary>Whether lists take <c>count</c>.</summary>
    public bool HasCounts { get; set; }

    /// <summary>What lists look through for <c>search</c>, or null when they do not take it.</summary>
    public TextSearch? Search { get; private set; }

    /// <summary>What every list of this resource takes beside its filters. Fixed once everything is declared.</summary>
    public IReadOnlyList<string> ListParameters => field ??=
    [
        "pageSize", "cursor", .. HasPageNumbers ? ["page"] : Array.Empty<string>(), .. HasCounts ? ["count"] : Array.Empty<string>(),
        "sort", .. Search is null ? Array.Empty<string>() : ["search"], "fields", "include",
    ];

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
        if (column.Member.Scalar is DocumentShape or { Format: "byte" })
            throw new ConfigurationException("MST1404", $"{Table.RowType.Name}.{column.Member.Property.Name} cannot be sorted by: it is {column.Member.Scalar.Expected}. Sort by a text, a number, a time, a flag or an id.");
        if (column.Type is { SqlType: "text", Values: null } && column.Member.LengthMost > SortedTextMost)
            throw new ConfigurationException("MST1404", $"{Table.RowType.Name}.{column.Member.Property.Name} cannot be sorted by: it may have {column.Member.LengthMost} characters, expected at most {SortedTextMost}, because the last value of a page travels in its cursor. Bound it with [MaxLength({SortedTextMost})].");
        _sorts.Add(column);
        if (column != Table.Key)
            Table.AddIndex(isUnique: false, [column, Table.Key]);
    }

    public void AddSearch(SearchLanguage language, IReadOnlyList<Column> columns)
    {
        if (Search is not null)
            throw new ConfigurationException("MST1407", $"{Table.RowType.Name} is declared searchable twice, but has one search. Name all members in one Searchable, in the order of their weight.");
        if (!Enum.IsDefined(language))
            throw new ConfigurationException("MST1407", $"{Table.RowType.Name} cannot be searched in language {(int)language}, expected a member of SearchLanguage.");
        if (columns.Count == 0)
            throw new ConfigurationException("MST1407", $"{Table.RowType.Name} is declared searchable without a member. Name at least one text: .Searchable(row => row.Name).");
        if (columns.FirstOrDefault(column => column.Member.Scalar is not TextShape) is { } other)
            throw new ConfigurationException("MST1407", $"{Table.RowType.Name}.{other.Member.Property.Name} cannot be searched: it is {other.Member.Scalar!.Expected}, expected a text. Make it Filterable instead.");
        if (columns.GroupBy(column => column).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new ConfigurationException("MST1407", $"{Table.RowType.Name}.{twice.Key.Member.Property.Name} is named twice in Searchable. Name it once; the earlier a member stands, the more it weighs.");
        if (columns.Sum(column => (long)(column.Member.LengthMost ?? 0)) is var characters && characters > TextSearch.CharactersMost)
            throw new ConfigurationException("MST1407", $"The searched members of {Table.RowType.Name} may have {characters} characters together, expected at most {TextSearch.CharactersMost}: PostgreSQL refuses rows with more words than its index takes. Bound them with [MaxLength].");
        Search = new TextSearch(language, columns);
        Table.AddSearch(Search);
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
        if ((Update ?? Delete) is not null && Table.Columns.Any(column => column.Member.Name == BatchCommand.IfMatch))
            throw new ConfigurationException("MST1404", $"{Table.RowType.Name}.IfMatch is sent as '{BatchCommand.IfMatch}', which in a batch is the condition of its element. Give the member another name.");
        var includes = new List<ResourceInclude>();
        foreach (var parent in _parents)
            if (resources.FirstOrDefault(resource => resource.Table.RowType == parent.Type) is { } target)
                includes.Add(new ResourceInclude(NameOfReference(parent.Column), target, parent.Column, IsMany: false, 1));
            else
                throw new ConfigurationException("MST1405", $"{Table.RowType.Name} belongs to {parent.Type.Name}, which is not a resource. Declare it with Resource<{parent.Type.Name}>(\"/v1/…\").");
        foreach (var child in resources)
            foreach (var parent in child.Parents.Where(parent => parent.Type == Table.RowType))
                includes.Add(new ResourceInclude(child.Name, child, parent.Column, IsMany: true, parent.Included));
        if (includes.GroupBy(include => include.Name).FirstOrDefault(group => group.Count() > 1) is { } same)
            throw new ConfigurationException("MST1404", $"include={same.Key} on {Path} could mean {string.Join(" or ", same.Select(include => include.Target.Path))}. Give one of them another last segment, or the member of {Table.RowType.Name} that names its parent another name.");
        Includes = includes;
        foreach (var column in _filters.Where(column => ListParameters.Contains(column.Member.Name)))
            throw new ConfigurationException("MST1408", $"{Table.RowType.Name}.{column.Member.Property.Name} is filterable, but lists of {Path} take '{column.Member.Name}' for something else ({string.Join(", ", ListParameters)}). Rename the member.");
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
