namespace Mainstay.Internal;

/// <summary>What a statement creates. The order of the members is the order in which the statements can run.</summary>
internal enum SchemaStatementKind
{
    Schema,
    Table,
    ForeignKey,
    Index,
}

/// <summary>One statement of the script that creates what the application declares, without the closing semicolon.</summary>
internal sealed record SchemaStatement(SchemaStatementKind Kind, string Sql);
