namespace Mainstay.Internal;

/// <summary>Collects everything that is wrong with one input, so that the client learns all of it at once. Bounded: after 100 faults the rest is not listed.</summary>
internal sealed class InputFaults
{
    public const int Most = 100;

    private List<FieldError>? _errors;

    /// <summary>Whether the application reads what it stored itself: then only the types count, and not the bounds for input; members that are only shown are passed over.</summary>
    public bool IsStored { get; init; }

    /// <summary>How many faults there are, the unlisted ones included: whether a part is sound is told by this number before and after.</summary>
    public int Count { get; private set; }

    public bool Any => Count > 0;

    public void Add(JsonPath path, string code, string detail)
    {
        if (Count++ < Most)
            (_errors ??= []).Add(FieldError.At(path.ToString(), code, detail));
    }

    public void Add(FieldError error)
    {
        if (Count++ < Most)
            (_errors ??= []).Add(error);
    }

    public IReadOnlyList<FieldError> Errors => _errors ?? [];

    public void CopyTo(InputFaults others)
    {
        foreach (var error in Errors)
            others.Add(error);
    }

    /// <exception cref="ProblemException">The input has a fault.</exception>
    public void ThrowIfAny(ProblemType? type = null)
    {
        if (Any)
        {
            var what = type == ProblemCatalogue.InvalidParameter ? "parameter" : "field";
            throw (type ?? ProblemCatalogue.ValidationFailed).Because(
                Count == 1 ? $"One {what} is invalid; see errors." : $"{Count} {what}s are invalid; see errors{(Count > Most ? $", which lists the first {Most}" : "")}.", Errors);
        }
    }
}

/// <summary>A place in the input, linked backwards; it becomes text only when there is a fault to report.</summary>
internal sealed record JsonPath(JsonPath? Parent, string Segment)
{
    public static readonly JsonPath Root = new(null, "");

    /// <summary>A member: escaped as RFC 6901 asks, first for the pointer and then for the URI fragment that it is sent as.</summary>
    public JsonPath this[string member] => new(this, Uri.EscapeDataString(member.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)));

    public JsonPath this[int index] => new(this, index.ToString());

    /// <summary>The JSON Pointer as a URI fragment: <c>#</c> for the whole document.</summary>
    public override string ToString() => Parent is null ? "#" : $"{Parent}/{Segment}";
}
