using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>PUT: the row becomes what the body says; members left out get their default.</summary>
internal sealed class ReplaceOperation(ResourceModel resource) : ResourceCommand(resource)
{
    public override object? ReadInput(Call call) => ReadGiven(call, isWhole: true);

    protected override async Task<Answer> HandleAsync(Call call, object? input, UnitOfWork work)
    {
        var (id, sent, given) = ((Guid, object?[], bool[]))input!;
        var known = await LockAsync(call, id, work);
        var faults = new InputFaults();
        var values = (object?[])sent.Clone();
        foreach (var column in Resource.Table.Columns.Where(column => !IsWritable(column.Member)))
        {
            // A client may send back what it got; it may not change what the server sets.
            var present = column.Member.Get(known.Row);
            if (given[column.Ordinal] && !ColumnValues.AreSame(values[column.Ordinal], present))
                faults.Add(JsonPath.Root[column.Member.Name], "readOnly", "The server sets this member. Leave it out, or send it unchanged.");
            values[column.Ordinal] = present;
        }
        var own = new InputFaults();
        var row = Complete(values, JsonPath.Root, own);
        own.ThrowIfAny();
        Demand(call, row!);
        await RequireReferencesAsync(call, work, row!, known.Row, JsonPath.Root);
        DemandConditions(call, known);
        faults.ThrowIfAny(); // after the conditions: whoever sends back what has changed since should hear that it has changed
        work.UpdateRow(Resource.Table.RowType, row!);
        // No tag (RFC 9110, section 9.3.4): it would say that what was sent is now what is read, and a read adds what the server sets.
        return Item(call, row!, version: null, 200, withLocation: false);
    }
}

/// <summary>PATCH: JSON merge patch (RFC 7396): absent keeps, null removes, objects merge, everything else replaces.</summary>
internal sealed class PatchOperation(ResourceModel resource) : ResourceCommand(resource)
{
    public const string MergePatch = "application/merge-patch+json";

    public override IReadOnlyList<string> MediaTypes => [MergePatch, WireFormat.Json];

    public override object? ReadInput(Call call) => ReadGiven(call, isWhole: false);

    protected override async Task<Answer> HandleAsync(Call call, object? input, UnitOfWork work)
    {
        var (id, sent, given) = ((Guid, object?[], bool[]))input!;
        var known = await LockAsync(call, id, work);
        var faults = new InputFaults();
        var values = new object?[sent.Length];
        foreach (var column in Resource.Table.Columns)
        {
            var present = column.Member.Get(known.Row);
            values[column.Ordinal] = !given[column.Ordinal] ? present
                : column.Type is DocumentColumnType ? MergePatchDocument.Apply((JsonElement?)present, (JsonElement?)sent[column.Ordinal])
                : sent[column.Ordinal];
            if (given[column.Ordinal] && !IsWritable(column.Member) && !ColumnValues.AreSame(sent[column.Ordinal], present))
                faults.Add(JsonPath.Root[column.Member.Name], "readOnly", "The server sets this member. Leave it out.");
        }
        var own = new InputFaults();
        var row = Complete(values, JsonPath.Root, own);
        own.ThrowIfAny();
        Demand(call, row!);
        await RequireReferencesAsync(call, work, row!, known.Row, JsonPath.Root);
        DemandConditions(call, known);
        faults.ThrowIfAny();
        if (Resource.Table.Columns.All(column => ColumnValues.AreSame(column.Member.Get(known.Row), values[column.Ordinal])))
            return Item(call, known.Row, known.Version, 200, withLocation: false); // nothing differs: no new version, no audit entry
        work.UpdateRow(Resource.Table.RowType, row!);
        return Item(call, row!, known.Version + 1, 200, withLocation: false);
    }
}

/// <summary>Values of columns, compared by what they say: arrays of bytes and documents are not equal to their like by themselves.</summary>
internal static class ColumnValues
{
    public static bool AreSame(object? left, object? right) => (left, right) switch
    {
        (JsonElement one, JsonElement other) => JsonElement.DeepEquals(one, other),
        (byte[] one, byte[] other) => one.AsSpan().SequenceEqual(other),
        _ => Equals(left, right),
    };
}
