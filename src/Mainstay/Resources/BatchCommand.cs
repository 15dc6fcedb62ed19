using System.Text.Json;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// What all operations on several rows share: an array of 1 to 1,000 elements, one transaction, a constant number of round trips, and every fault of every
/// element at once, each with a pointer that begins with its element. Nothing is changed when any element is at fault.
/// </summary>
/// <remarks>
/// <code>
/// 1. read      syntax and bounds of all elements, no row twice
/// 2. lock      all rows in one statement, in the order of their ids, so that two batches cannot wait for each other in a circle
/// 3. judge     existence, policy, ifMatch, the row as it shall be, what it points at
/// 4. write     one batch, which commits
/// 5. explain   only when the database refuses: everything it would have refused, not just the first
/// </code>
/// </remarks>
internal abstract class BatchCommand(ResourceModel resource) : ResourceCommand(resource)
{
    public const int RowsMost = 1000;

    /// <summary>The member of an element that makes it conditional, as the header of that name does for a single row.</summary>
    public const string IfMatch = "ifMatch";

    protected override bool IsBulk => true;

    public sealed override object? ReadInput(Call call)
    {
        RefuseQuery(call);
        if (call.Incoming.Header("If-Match") is not null || call.Incoming.Header("If-None-Match") is not null || call.Incoming.Header("If-Unmodified-Since") is not null)
            throw ProblemCatalogue.MalformedRequest.Because($"If-Match, If-None-Match and If-Unmodified-Since speak of one row, and this request of several. Give each element the '{IfMatch}' that it needs.");
        using var json = JsonBody.Parse(call.Body);
        var faults = new InputFaults();
        var elements = new List<BatchElement>();
        if (json.RootElement.ValueKind != JsonValueKind.Array)
            faults.Add(JsonPath.Root, "type", $"Expected an array, found {ScalarShape.NameOf(json.RootElement.ValueKind)}.");
        else if (json.RootElement.GetArrayLength() is 0 or > RowsMost)
            faults.Add(JsonPath.Root, "maxItems", $"Expected 1 to {RowsMost} elements, found {json.RootElement.GetArrayLength()}.");
        else
        {
            var numbers = new Dictionary<Guid, int>();
            var number = 0;
            foreach (var element in json.RootElement.EnumerateArray())
            {
                // A fresh list for each: a row is made only from an element without faults, whatever the others have.
                var own = new InputFaults();
                if (ReadElement(element, number, own) is { } read)
                {
                    elements.Add(read);
                    if (!numbers.TryAdd(read.Id, number))
                        own.Add(element.ValueKind == JsonValueKind.Object ? read.Path[Resource.Table.Key.Member.Name] : read.Path, "duplicate", $"Element {numbers[read.Id]} names the same row.");
                }
                own.CopyTo(faults);
                number++;
            }
        }
        faults.ThrowIfAny();
        return new Batch([.. elements]);
    }

    public sealed override async ValueTask<Answer> RunAsync(Call call, object? input)
    {
        try
        {
            return await base.RunAsync(call, input);
        }
        catch (ProblemException refused) when (((Batch)input!).IsJudged)
        {
            throw await ExplainAsync(call, ((Batch)input).Elements, refused);
        }
    }

    /// <summary>One element of the array, or null when it has faults.</summary>
    protected abstract BatchElement? ReadElement(JsonElement json, int number, InputFaults faults);

    protected sealed override async Task<Answer> HandleAsync(Call call, object? input, UnitOfWork work)
    {
        var batch = (Batch)input!;
        batch.IsJudged = false; // the attempt before this one may have come further
        foreach (var element in batch.Elements)
            element.Forget();
        var answer = await HandleAsync(call, batch.Elements, work);
        batch.IsJudged = true;
        return answer;
    }

    protected abstract Task<Answer> HandleAsync(Call call, BatchElement[] elements, UnitOfWork work);

    /// <summary>The refusal with the faults of all elements, or as it was when the database cannot be asked.</summary>
    private async Task<ProblemException> ExplainAsync(Call call, BatchElement[] elements, ProblemException refused)
    {
        try
        {
            return await BatchConflicts.ExplainAsync(refused, call.Backend.Database, call.Backend.Transactor.Tables, Resource.Table, [.. elements.Select(element => (element.Number, element.Row!))], call.Deadline, call.Cancellation);
        }
        catch (Exception e) when (e is NpgsqlException or ProblemException or OperationCanceledException)
        {
            return refused;
        }
    }

    protected static string? ReadIfMatch(JsonElement json, JsonPath path, InputFaults faults)
    {
        string? condition = null;
        var isGiven = false;
        foreach (var property in json.EnumerateObject())
            if (StrictText.TryGetName(property, out var name) && name == IfMatch)
            {
                if (isGiven)
                    faults.Add(path[IfMatch], "duplicate", "The member is given twice.");
                else if (property.Value.ValueKind != JsonValueKind.String || !StrictText.TryGet(property.Value, out condition))
                    faults.Add(path[IfMatch], "type", "Expected an ETag as in the header If-Match, quotes included, for example \"\\\"v7\\\"\".");
                else if (condition!.Length > ServerLimits.HeaderBytesMost)
                    faults.Add(path[IfMatch], "maxLength", $"Expected at most {ServerLimits.HeaderBytesMost} characters, found {condition.Length}.");
                else if (condition.AsSpan().ContainsAnyExceptInRange(' ', '~') && condition.Any(letter => letter is not ('\t' or (>= ' ' and <= '~'))))
                    faults.Add(path[IfMatch], "pattern", "Expected characters that a header can have: printable ASCII.");
                isGiven = true;
            }
        return condition;
    }

    protected bool IsAdmitted(Call call, object row) => Policy.Resolve(call.User, Resource.Table.RowType).Holds(row);

    /// <summary>Locks the rows of all elements, and judges each as <c>LockAsync</c> does for one.</summary>
    protected async Task LockAllAsync(Call call, BatchElement[] elements, UnitOfWork work, BatchFaults faults)
    {
        var found = await work.LoadAllAsync(Resource.Table.RowType, [.. elements.Select(element => element.Id)], isLocked: true);
        var visible = (Resource.Read ?? Policy).Resolve(call.User, Resource.Table.RowType);
        foreach (var element in elements)
            if (!found.TryGetValue(element.Id, out var known) || !visible.Holds(known.Row))
                faults.Add(ProblemCatalogue.NotFound, element.Path, "notFound", "There is no such row.");
            else if (!IsAdmitted(call, known.Row))
                faults.Add(ProblemCatalogue.Forbidden, element.Path, "forbidden", $"This caller may not do that with this row; '{Name}' needs {Policy.Describe()}.");
            else if (element.IfMatch is null && Resource.RequiresIfMatch)
                faults.Add(ProblemCatalogue.PreconditionRequired, element.Path[IfMatch], "required", "Send the ETag of the representation that you changed, so that nobody's change is lost.");
            else if (element.IfMatch is { } condition && !EntityTags.Parse(condition).MatchesVersion(known.Version, isStrong: true))
                faults.Add(ProblemCatalogue.PreconditionFailed, element.Path[IfMatch], "changed", "The row has changed since this ETag was given out. Get it again, and apply your change to that.");
            else
                (element.Before, element.Version) = (known.Row, known.Version);
    }

    /// <summary>What all rows point at, by the rule of the single row; one look for each column whose target is not visible to everybody.</summary>
    protected async Task RequireReferencesAsync(Call call, UnitOfWork work, BatchElement[] elements, BatchFaults faults)
    {
        foreach (var column in Resource.Table.Columns)
        {
            if (column.Reference is not { } target || call.Backend.Resources.GetValueOrDefault(target.RowType)?.Read is not { } read
                || read.Resolve(call.User, target.RowType) is not { } visible || visible == Predicate.Always)
                continue;
            var pointing = elements.Where(element => element.Row is not null)
                .Select(element => (Element: element, Id: column.Member.Get(element.Row!) as IId, Before: element.Before is null ? null : column.Member.Get(element.Before)))
                .Where(pair => pair.Id is not null && !pair.Id.Equals(pair.Before)).ToArray();
            if (pointing.Length == 0)
                continue;
            var found = visible == Predicate.Never ? null : await work.LoadAllAsync(target.RowType, [.. pointing.Select(pair => pair.Id!.Value).Distinct()], isLocked: false);
            foreach (var (element, id, _) in pointing)
                if (found is null || !found.TryGetValue(id!.Value, out var known) || !visible.Holds(known.Row))
                    faults.Add(ProblemCatalogue.ReferenceNotFound, element.Path[column.Member.Name], "reference", "There is no such id.");
        }
    }

    /// <summary>The rows in the order of the elements; their tags beside them, because one response has no header for each.</summary>
    protected Answer Rows(Call call, BatchElement[] elements, int status)
    {
        using var json = JsonScratch.Rent();
        var writer = json.Writer;
        call.Backend.Format.BeginList(writer, SubjectOf(Resource));
        foreach (var element in elements)
            Resource.Table.Write(writer, element.Row!);
        call.Backend.Format.EndBatch(writer, SubjectOf(Resource), [.. elements.Select(element => ETags.OfRow(element.Version, Resource.Shape))], call.RequestId);
        return new Answer(status, json.ToArray()) { Headers = [new("Content-Type", WireFormat.Json), new("Cache-Control", "no-store")] };
    }
}

/// <summary>The elements of one call.</summary>
internal sealed class Batch(BatchElement[] elements)
{
    public BatchElement[] Elements => elements;

    /// <summary>Whether all elements were found good, so that what is refused now is refused by the database.</summary>
    public bool IsJudged { get; set; }
}

/// <summary>One element of a batch: what the client sent, and what the present attempt has made of it.</summary>
internal sealed class BatchElement(int number, Guid id)
{
    public int Number => number;

    public Guid Id => id;

    public JsonPath Path => JsonPath.Root[number];

    public string? IfMatch { get; init; }

    public object?[]? Values { get; init; }

    public bool[]? Given { get; init; }

    /// <summary>The locked row, when it may be changed.</summary>
    public object? Before { get; set; }

    /// <summary>The row that was sent, complete: of a creation.</summary>
    public object? New { get; init; }

    /// <summary>The row as it shall be.</summary>
    public object? Row { get; set; }

    public long Version { get; set; }

    /// <summary>A new attempt starts from what was sent.</summary>
    public void Forget()
    {
        Before = null;
        Row = New;
        Version = 0;
    }
}

/// <summary>
/// The faults of a batch once its rows are known. They may be of several kinds, and a response has one status: that of the first kind in this order.
/// Every fault is listed with a code of its own.
/// </summary>
internal sealed class BatchFaults
{
    private static readonly ProblemType[] order =
    [
        ProblemCatalogue.NotFound, ProblemCatalogue.Forbidden, ProblemCatalogue.PreconditionRequired, ProblemCatalogue.PreconditionFailed, ProblemCatalogue.ValidationFailed,
        ProblemCatalogue.ReferenceNotFound,
    ];

    private readonly HashSet<ProblemType> _types = [];
    private readonly List<FieldError> _errors = [];
    private int _count;

    public void Add(ProblemType type, JsonPath path, string code, string detail) => Add(type, FieldError.At(path.ToString(), code, detail));

    public void Add(ProblemType type, FieldError error)
    {
        _types.Add(type);
        if (_count++ < InputFaults.Most)
            _errors.Add(error);
    }

    /// <exception cref="ProblemException">There is a fault.</exception>
    public void ThrowIfAny()
    {
        if (_count > 0)
            throw order.First(_types.Contains).Because(
                $"{(_count == 1 ? "One element is" : $"{_count} faults are")} in the way, so nothing was changed; see errors{(_count > InputFaults.Most ? $", which lists the first {InputFaults.Most}" : "")}.", _errors);
    }
}
