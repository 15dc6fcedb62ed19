namespace Mainstay.Internal;

internal enum SchemaChangeKind
{
    /// <summary>Something declared is not there.</summary>
    Add,

    /// <summary>Something is there and looks otherwise.</summary>
    Change,

    /// <summary>Something is there that nobody declares any more.</summary>
    Remove,
}

/// <summary>The order in which changes can run.</summary>
internal enum SchemaStep
{
    Schema,
    Table,
    Column,
    DropConstraint,
    AlterColumn,
    Constraint,
    Index,
    ForeignKey,
}

/// <summary>One difference between what is declared and what the database has.</summary>
internal sealed record SchemaChange
{
    public required SchemaStep Step { get; init; }

    public required SchemaChangeKind Kind { get; init; }

    public required string Table { get; init; }

    /// <summary>The difference, in one sentence.</summary>
    public required string Description { get; init; }

    /// <summary>The statements that make the difference go away, each with its semicolon.</summary>
    public required string Sql { get; init; }

    /// <summary>Why a start does not run <see cref="Sql"/> by itself: what could break, and the choices. Null when it does.</summary>
    public string? WhyNot { get; init; }

    /// <summary>A query for the rows that stand in the way when PostgreSQL refuses <see cref="Sql"/>, or null.</summary>
    public string? Offenders { get; init; }

    public bool IsAdditive => WhyNot is null;

    public static string Statements(params IEnumerable<string> statements) => string.Join('\n', statements.Select(statement => statement + ";"));
}

/// <param name="Changes">In an order that can run.</param>
/// <param name="Notes">What is there, is not declared, and does no harm.</param>
internal sealed record SchemaDifference(IReadOnlyList<SchemaChange> Changes, IReadOnlyList<string> Notes);
