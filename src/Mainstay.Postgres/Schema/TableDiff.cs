namespace Mainstay.Internal;

/// <summary>The differences of one table that exists. First its columns, then what rests on them.</summary>
/// <param name="ddl">Makes the statements.</param>
/// <param name="table">What is declared.</param>
/// <param name="declared">The same as PostgreSQL shows it: columns, checks and indexes. Keys are compared by their columns.</param>
/// <param name="existing">What the database has.</param>
/// <param name="hasRows">Whether the table has rows; known only where it matters.</param>
/// <param name="isReferenceSettled">Whether the table that a column points at is where it is declared.</param>
/// <param name="changes">Takes the differences.</param>
/// <param name="notes">Takes what is there, undeclared and harmless.</param>
internal sealed class TableDiff(Ddl ddl, TableModel table, CatalogTable declared, CatalogTable existing, bool hasRows, Func<Column, bool> isReferenceSettled, List<SchemaChange> changes, List<string> notes)
{
    // Columns whose difference a person must settle first. What rests on them is compared at the start after that.
    private readonly HashSet<string> _unsettled = [];
    private readonly HashSet<string> _renamed = [];

    public void Compare()
    {
        FindRenames();
        foreach (var column in declared.Columns)
            CompareColumn(column, table.Columns.FirstOrDefault(candidate => candidate.Name == column.Name));
        ComparePrimaryKey();
        foreach (var index in Ddl.UniquesOf(table).Where(index => IsSettled(index.Columns)))
            CompareUnique(index);
        foreach (var column in table.Columns.Where(column => Ddl.CheckOf(column) is not null && IsSettled([column])))
            CompareCheck(column);
        foreach (var column in Ddl.ForeignKeysOf(table).Where(column => IsSettled([column]) && isReferenceSettled(column)))
            CompareForeignKey(column);
        foreach (var index in Ddl.IndexesOf(table).Where(index => IsSettled(index.Columns)))
            CompareIndex(index);
        FindLeftovers();
    }

    private bool IsSettled(IEnumerable<Column> columns) => columns.All(column => !_unsettled.Contains(column.Name));

    /// <summary>
    /// A column that came and a column that went, with the same type, and no other candidate: a rename, as far as anyone can tell from outside.
    /// Adding the new one would hide the values in the old one without a word, so a person decides.
    /// </summary>
    private void FindRenames()
    {
        var came = declared.Columns.Where(column => existing.FindColumn(column.Name) is null).ToLookup(column => column.Type);
        var went = existing.Columns.Where(column => declared.FindColumn(column.Name) is null && !column.IsMade).ToLookup(column => column.Type);
        foreach (var sameType in came)
            if (sameType.ToArray() is [var to] && went[sameType.Key].ToArray() is [var from] && table.Columns.FirstOrDefault(column => column.Name == to.Name) is { } column)
            {
                _unsettled.Add(to.Name);
                _renamed.Add(from.Name);
                Add(SchemaStep.Column, SchemaChangeKind.Change, $"Column {table.FullName}.{from.Name} is gone and {table.FullName}.{to.Name} of the same type {to.Type} is new: it looks like a rename.",
                    Rename(from.Name, to.Name),
                    whyNot: $"A new column would leave the values behind in '{from.Name}'. If it is no rename, add the column: {string.Join(' ', AddColumn(column).Select(statement => statement + ";"))}");
            }
    }

    /// <summary>The column, and the constraints and indexes that Mainstay named after it.</summary>
    private IEnumerable<string> Rename(string from, string to)
    {
        string Renamed(IEnumerable<string> columns, string suffix) => SqlName.Join([table.Name, .. columns.Select(column => column == from ? to : column), suffix]);
        yield return $"{ddl.Alter(table)} rename column {SqlName.Quote(from)} to {SqlName.Quote(to)}";
        foreach (var constraint in existing.Constraints.Where(constraint => constraint.Columns.Contains(from) && OurName(constraint) == constraint.Name))
            yield return $"{ddl.Alter(table)} rename constraint {SqlName.Quote(constraint.Name)} to {SqlName.Quote(Renamed(constraint.Columns, Suffix(constraint)))}";
        foreach (var index in existing.Indexes.Where(index => index.Columns.Contains(from)))
            // The key at the end is part of every index and of no name, unless it was declared.
            if (new[] { index.Columns, [.. index.Columns.SkipLast(1)] }.FirstOrDefault(columns => SqlName.Join([table.Name, .. columns, "idx"]) == index.Name) is { } columns)
                yield return $"alter index {ddl.Beside(table, index.Name)} rename to {SqlName.Quote(Renamed(columns, "idx"))}";
    }

    /// <param name="wanted">The column as PostgreSQL shows it.</param>
    /// <param name="column">The column as it is declared; null for the version column, which no record has.</param>
    private void CompareColumn(CatalogColumn wanted, Column? column)
    {
        if (_unsettled.Contains(wanted.Name))
            return;
        var name = $"{table.FullName}.{wanted.Name}";
        var alter = $"{ddl.Alter(table)} alter column {SqlName.Quote(wanted.Name)}";
        if (existing.FindColumn(wanted.Name) is not { } there)
        {
            AddColumn(wanted, column);
            return;
        }
        if (there.Type != wanted.Type)
        {
            _unsettled.Add(wanted.Name);
            Add(SchemaStep.AlterColumn, SchemaChangeKind.Change, $"Column {name} is {there.Type}, declared {wanted.Type}.",
                [$"{alter} type {wanted.Type} using {SqlName.Quote(wanted.Name)}::{wanted.Type}"],
                whyNot: "It rewrites the table while nobody can read or write it, values may not convert or may lose precision, and a node of the release before reads the old type.");
            return;
        }
        // Before the rest: a required column gets its default first, so that new rows are right from then on.
        if (wanted.Default is not null && wanted.Default != there.Default)
            Add(SchemaStep.AlterColumn, SchemaChangeKind.Change, $"Column {name} has the default {there.Default ?? "null"}, declared {wanted.Default}.", [$"{alter} set default {wanted.Default}"]);
        if (wanted.IsNotNull && !there.IsNotNull)
            Add(SchemaStep.AlterColumn, SchemaChangeKind.Change, $"Column {name} may be null, declared with a value always.", [$"{alter} set not null"],
                offenders: $"select {table.Key.QuotedName} from {ddl.Of(table)} where {SqlName.Quote(wanted.Name)} is null");
        if (!wanted.IsNotNull && there.IsNotNull)
            Add(SchemaStep.AlterColumn, SchemaChangeKind.Change, $"Column {name} is never null, declared as nullable.", [$"{alter} drop not null"]);
    }

    private void AddColumn(CatalogColumn wanted, Column? column)
    {
        var isPossible = column is null || !SchemaDiff.NeedsValue(column) || !hasRows;
        if (!isPossible)
            _unsettled.Add(wanted.Name);
        Add(SchemaStep.Column, SchemaChangeKind.Add, $"Column {table.FullName}.{wanted.Name} is new{(isPossible ? "" : ", must have a value and has no default, and the table has rows")}.",
            column is null ? [ddl.AddVersionColumn(table)] : AddColumn(column),
            whyNot: isPossible ? null : $"Mainstay cannot know the value for the rows that are there. Put it in the place of <value>, or declare a default in the record, such as '{column!.Member.Property.PropertyType.Name} {column.Member.Property.Name} = …', or make the member nullable.");
    }

    /// <summary>The statements that add a column by hand where the start cannot.</summary>
    private IEnumerable<string> AddColumn(Column column) => SchemaDiff.NeedsValue(column) && hasRows
        ? [$"{ddl.Alter(table)} add column {column.QuotedName} {column.Type.SqlType} not null default <value>", $"{ddl.Alter(table)} alter column {column.QuotedName} drop default"]
        : [ddl.AddColumn(table, column)];

    private void ComparePrimaryKey()
    {
        var name = Ddl.PrimaryKeyName(table);
        if (existing.Constraints.Find(constraint => constraint.Kind == 'p') is not { } there)
            Add(SchemaStep.Constraint, SchemaChangeKind.Add, $"Table {table.FullName} has no primary key.", [ddl.AddConstraint(table, Ddl.PrimaryKey(table))]);
        else if (!there.Columns.SequenceEqual([table.Key.Name]))
            Add(SchemaStep.Constraint, SchemaChangeKind.Change, $"The primary key of {table.FullName} is ({string.Join(", ", there.Columns)}), declared ({table.Key.Name}).",
                [Drop(there.Name), ddl.AddConstraint(table, Ddl.PrimaryKey(table))], whyNot: "Whatever points at the rows of this table does so by its primary key.");
        else if (there.Name != name)
            Add(SchemaStep.Constraint, SchemaChangeKind.Change, $"The primary key of {table.FullName} is named {there.Name}, declared {name}.",
                [$"{ddl.Alter(table)} rename constraint {SqlName.Quote(there.Name)} to {SqlName.Quote(name)}"]);
    }

    private void CompareUnique(TableModel.Index index)
    {
        string[] columns = [.. index.Columns.Select(column => column.Name)];
        var list = string.Join(", ", index.Columns.Select(column => column.QuotedName));
        var offenders = $"select {list}, count(*) from {ddl.Of(table)} group by {list} having count(*) > 1";
        if (existing.FindConstraint(index.Name) is { } there)
        {
            if (!there.IsPlainUnique || !there.Columns.SequenceEqual(columns))
                Add(SchemaStep.Constraint, SchemaChangeKind.Change, $"Constraint {index.Name} on {table.FullName} is {there.Rule}, declared UNIQUE ({string.Join(", ", columns)}).",
                    [Drop(index.Name), ddl.AddConstraint(table, Ddl.Unique(index))], offenders: offenders);
            return;
        }
        // Built before the start with 'create unique index concurrently', it only needs to become a constraint.
        var isBuilt = existing.FindIndex(index.Name) is { IsUnique: true, IsValid: true } built && built.Columns.SequenceEqual(columns);
        Add(SchemaStep.Constraint, SchemaChangeKind.Add, $"Constraint {index.Name} on {table.FullName} is new: UNIQUE ({string.Join(", ", columns)}).",
            [ddl.AddConstraint(table, isBuilt ? $"constraint {SqlName.Quote(index.Name)} unique using index {SqlName.Quote(index.Name)}" : Ddl.Unique(index))], offenders: offenders);
    }

    private void CompareCheck(Column column)
    {
        var wanted = declared.FindConstraint(Ddl.CheckName(table, column))!;
        var add = ddl.AddConstraint(table, Ddl.Check(table, column));
        var offenders = $"select {table.Key.QuotedName} from {ddl.Of(table)} where not ({Ddl.CheckOf(column)})";
        if (existing.FindConstraint(wanted.Name) is not { } there)
            Add(SchemaStep.Constraint, SchemaChangeKind.Add, $"Constraint {wanted.Name} on {table.FullName} is new: {wanted.Rule}.", [add], offenders: offenders);
        else if (there.Rule != wanted.Rule)
            Add(SchemaStep.Constraint, SchemaChangeKind.Change, $"Constraint {wanted.Name} on {table.FullName} is {there.Rule}, declared {wanted.Rule}.", [Drop(wanted.Name), add], offenders: offenders);
        else
            Validate(there, offenders);
    }

    private void CompareForeignKey(Column column)
    {
        var name = Ddl.ForeignKeyName(table, column);
        var target = column.Reference!;
        var offenders = $"select {table.Key.QuotedName} from {ddl.Of(table)} a where {column.QuotedName} is not null and not exists (select from {ddl.Of(target)} b where b.{target.Key.QuotedName} = a.{column.QuotedName})";
        if (existing.FindConstraint(name) is not { } there)
            Add(SchemaStep.ForeignKey, SchemaChangeKind.Add, $"Column {table.FullName}.{column.Name} points at {target.FullName}.", [ddl.AddForeignKey(table, column)], offenders: offenders);
        else if (there is not { Kind: 'f', OnDelete: "r" } || there.TargetSchema != target.Schema || there.Target != target.Name || !there.Columns.SequenceEqual([column.Name]))
            Add(SchemaStep.ForeignKey, SchemaChangeKind.Change, $"Constraint {name} on {table.FullName} is {there.Rule}, declared as a reference to {target.FullName} that restricts deletes.",
                [Drop(name), ddl.AddForeignKey(table, column)], offenders: offenders);
        else
            Validate(there, offenders);
    }

    private void Validate(CatalogConstraint there, string offenders)
    {
        if (!there.IsValidated)
            Add(there.Kind == 'f' ? SchemaStep.ForeignKey : SchemaStep.Constraint, SchemaChangeKind.Change, $"Constraint {there.Name} on {table.FullName} was never checked against the rows that were there before it.",
                [$"{ddl.Alter(table)} validate constraint {SqlName.Quote(there.Name)}"], offenders: offenders);
    }

    private void CompareIndex(TableModel.Index index)
    {
        var wanted = declared.FindIndex(index.Name)!;
        var create = ddl.CreateIndex(table, index);
        if (existing.FindIndex(index.Name) is not { } there)
            Add(SchemaStep.Index, SchemaChangeKind.Add, $"Index {index.Name} on {table.FullName} is new.", [create]);
        else if (!there.IsValid)
            Add(SchemaStep.Index, SchemaChangeKind.Change, $"Index {index.Name} on {table.FullName} was not built to its end, and no query uses it.", [ddl.DropIndex(table, index.Name), create]);
        else if (there.Definition != wanted.Definition || there.IsUnique)
            Add(SchemaStep.Index, SchemaChangeKind.Change, $"Index {index.Name} on {table.FullName} is {(there.IsUnique ? "unique " : "")}{there.Definition}, declared {wanted.Definition}.", [ddl.DropIndex(table, index.Name), create]);
    }

    private void FindLeftovers()
    {
        foreach (var column in existing.Columns.Where(column => declared.FindColumn(column.Name) is null && !_renamed.Contains(column.Name)))
            if (column.IsDemanded)
                Add(SchemaStep.AlterColumn, SchemaChangeKind.Remove, $"Column {table.FullName}.{column.Name} is not declared, must have a value and has no default, so every insert would fail.",
                    [$"{ddl.Alter(table)} alter column {SqlName.Quote(column.Name)} drop not null"],
                    whyNot: $"A node of the release before may still count on the value. The statement keeps the column and its values; once nobody needs them, drop it: {ddl.Alter(table)} drop column {SqlName.Quote(column.Name)};");
            else
                notes.Add($"Column {table.FullName}.{column.Name} is not declared and is left as it is. Once no release uses it: {ddl.Alter(table)} drop column {SqlName.Quote(column.Name)};");

        foreach (var constraint in existing.Constraints.Where(constraint => constraint.Kind != 'p' && !IsDeclared(constraint)))
            if (constraint.Columns.Any(_unsettled.Contains) || constraint.Columns.Any(_renamed.Contains) || IsHarmless(constraint))
                continue;
            else if (OurName(constraint) == constraint.Name)
                Add(SchemaStep.DropConstraint, SchemaChangeKind.Remove, $"Constraint {constraint.Name} on {table.FullName} is not declared any more: {constraint.Rule}.", [Drop(constraint.Name)]);
            else
                notes.Add($"Constraint {constraint.Name} on {table.FullName} is not declared and is left as it is. A row it refuses is answered with an internal error.");

        foreach (var index in existing.Indexes.Where(index => Ddl.IndexesOf(table).All(known => known.Name != index.Name) && Ddl.UniquesOf(table).All(known => known.Name != index.Name)))
            if (!index.IsValid)
                notes.Add($"Index {index.Name} on {table.FullName} was not built to its end: it costs writes and serves no query. Remove it: {ddl.DropIndex(table, index.Name)};");
            else if (index.Name.StartsWith(table.Name + "_", StringComparison.Ordinal) && index.Name.EndsWith("_idx", StringComparison.Ordinal))
                notes.Add($"Index {index.Name} on {table.FullName} is not declared and is left as it is. If no release uses it: {ddl.DropIndex(table, index.Name)};");
    }

    private bool IsDeclared(CatalogConstraint constraint) => declared.FindConstraint(constraint.Name) is not null
        || Ddl.UniquesOf(table).Any(index => index.Name == constraint.Name)
        || Ddl.ForeignKeysOf(table).Any(column => Ddl.ForeignKeyName(table, column) == constraint.Name);

    /// <summary>A rule about columns that nobody writes any more: null and the default have passed it.</summary>
    private bool IsHarmless(CatalogConstraint constraint) => constraint.Kind is 'c' or 'f' && constraint.Columns.Count > 0 && constraint.Columns.All(column => declared.FindColumn(column) is null);

    /// <summary>The name that Mainstay gives to a constraint of this kind on these columns. Only one that carries it is Mainstay's to drop.</summary>
    private string OurName(CatalogConstraint constraint) => SqlName.Join([table.Name, .. constraint.Columns, Suffix(constraint)]);

    private static string Suffix(CatalogConstraint constraint) => constraint.Kind switch { 'u' => "key", 'f' => "fkey", _ => "check" };

    private string Drop(string constraint) => $"{ddl.Alter(table)} drop constraint {SqlName.Quote(constraint)}";

    private void Add(SchemaStep step, SchemaChangeKind kind, string description, IEnumerable<string> statements, string? whyNot = null, string? offenders = null) =>
        changes.Add(new SchemaChange { Step = step, Kind = kind, Table = table.FullName, Description = description, Sql = SchemaChange.Statements(statements), WhyNot = whyNot, Offenders = offenders });
}
