using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Mainstay.Internal;

/// <summary>One version of a saga as it was declared: what it goes through, and what its handlers may ask for.</summary>
internal sealed class SagaDefinition(string saga, int version, Type input)
{
    private readonly Dictionary<string, SagaItem> _byName = [];
    private readonly Dictionary<string, SagaPart> _parts = [];
    private readonly Dictionary<Type, int> _slots = new() { [input] = 0 };

    public string Saga { get; } = saga;

    public int Version { get; } = version;

    public Type Input { get; } = input;

    /// <summary>What events find an instance by, from what began it; null for a key that nobody knows.</summary>
    public Func<object, object?>? Key { get; set; }

    /// <summary>How long it may take until its end; null for as long as it takes.</summary>
    public TimeSpan? Within { get; set; }

    public List<SagaItem> Items { get; } = [];

    /// <summary>The types of what handlers may ask for: what began the saga, and what its items give.</summary>
    public IReadOnlyCollection<Type> Facts => _slots.Keys;

    /// <summary>A digest of what it goes through.</summary>
    public string Shape => field ??= Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Steps)))[..16];

    /// <summary>What it goes through, in words.</summary>
    public string Steps => field ??= string.Join("; ", Items.Select(item => item.Describe()));

    /// <summary>How its handlers are called in the database: with the version from the second on, so that nodes which know only one take nothing of the other.</summary>
    public string Prefix => Version == 1 ? Saga : $"{Saga} v{Version}";

    public SagaItem? Find(string? item) => item is null ? null : _byName.GetValueOrDefault(item);

    public SagaPart PartOf(string handler) => _parts[handler];

    public int SlotOf(Type type) => _slots[type];

    public IEnumerable<SagaStep> Together(SagaStep step) => step.Group is null ? [step] : Items.OfType<SagaStep>().Where(other => other.Group == step.Group);

    public static bool Holds(SagaBranch branch, object?[] facts) => (bool)branch.Condition.Compute(facts)!;

    /// <summary>Adds a part, whose handler the queues run.</summary>
    public void Add(SagaPart part) => _parts[part.Handler.Name] = part;

    /// <summary>Compiles what is to be called, each with what those before it give.</summary>
    /// <returns>What is wrong with it.</returns>
    public IReadOnlyList<ConfigurationException> Compile(Func<Type, bool> isService)
    {
        var mistakes = new List<ConfigurationException>();
        if (Items.Count == 0)
            mistakes.Add(Mistake("MST3101", "has no steps. Say with .Step(\"…\", …) what is to be done."));
        foreach (var item in Items)
            try
            {
                if (!_byName.TryAdd(item.Name, item))
                    throw Mistake("MST3101", $"has two items '{item.Name}'. Names are stored with every instance, so each is unique within its saga.");
                Compile(item, isService);
                if (item is not SagaStep)
                    Offer(item);
            }
            catch (ConfigurationException mistake)
            {
                mistakes.Add(mistake);
            }
        return mistakes;
    }

    private void Compile(SagaItem item, Func<Type, bool> isService)
    {
        if (item is SagaBranch branch)
        {
            branch.Condition = Handler.Compile($"{Prefix}: {branch.Name}", branch.Declared, isService, given: Facts);
            if (branch.Condition is not { Context: HandlerContext.None, Services.Count: 0 } || branch.Condition.Result != typeof(bool))
                throw Mistake("MST3101", $"asks '{branch.Name}' of something else than a condition on what is known. Write it as a lambda like ({Input.Name} input) => input.Total > 100, which gives true or false and looks at nothing else.");
            CheckAsked(branch, branch.Condition.Asked, isUndo: false);
        }
        if (item is SagaWait && Key is null)
            throw Mistake("MST3101", $"waits for '{item.Name}', and events cannot find its instances. Say with .By(…) before it what key they have.");
        if (item is SagaStep step)
        {
            step.Do.Compile(isService);
            Offer(step);
            step.Undo?.Compile(isService);
            if (step.UndoIfUnknown && (step.Undo is null || step.Do.IsTransactional))
                throw Mistake("MST3101", $"says UndoIfUnknown of '{item.Name}', which {(step.Undo is null ? "has no undo" : "is a unit of work, so that it is always known whether it was done")}. Remove it.");
        }
    }

    /// <summary>Lets items behind this one ask for what it gives.</summary>
    private void Offer(SagaItem item)
    {
        if (item.Gives is not { } type)
            return;
        StoredJson.Check(type, $"What '{item.Name}' of saga '{Prefix}' gives");
        if (!_slots.TryAdd(type, _slots.Count))
            throw Mistake("MST3102", $"gets {type.Name} twice, the second time from '{item.Name}', and handlers could not say which they mean. Declare a record of its own for it.");
    }

    /// <summary>Checks that a handler only asks for what is there when it runs.</summary>
    /// <param name="at">The item that it is of.</param>
    /// <param name="asked">Its parameters.</param>
    /// <param name="isUndo">Whether it runs when the saga goes back.</param>
    /// <exception cref="ConfigurationException">MST3102</exception>
    public void CheckAsked(SagaItem at, IReadOnlyList<ParameterInfo> asked, bool isUndo)
    {
        foreach (var parameter in asked)
        {
            if (parameter.ParameterType == Input)
                continue;
            var giver = Items.First(item => item.Gives == parameter.ParameterType);
            if (IsTogether(giver, at))
                throw Mistake("MST3102", $"'{at.Name}' asks for {parameter.ParameterType.Name}, which '{giver.Name}' gives, and both are done together. Do one after the other.");
            if (MayBeMissing(giver, at, isUndo) && new NullabilityInfoContext().Create(parameter).ReadState != NullabilityState.Nullable)
                throw Mistake("MST3102", $"'{at.Name}' asks for {parameter.ParameterType.Name} of '{giver.Name}', which is not there in every instance. Ask for {parameter.ParameterType.Name}?, and say what is to be done without.");
        }
    }

    /// <summary>Whether something behind it cannot do without what it gives.</summary>
    public bool IsNeeded(SagaItem item) => item.Gives is { } type && Items.Skip(Items.IndexOf(item) + 1).SelectMany(Asked)
        .Any(parameter => parameter.ParameterType == type && new NullabilityInfoContext().Create(parameter).ReadState != NullabilityState.Nullable);

    private static IEnumerable<ParameterInfo> Asked(SagaItem item) => item switch
    {
        SagaStep step => [.. step.Do.Asked, .. step.Undo?.Asked ?? []],
        SagaBranch branch => branch.Condition.Asked,
        _ => [],
    };

    private static bool IsTogether(SagaItem one, SagaItem other) => one != other && one is SagaStep { Group: { } group } && other is SagaStep { Group: { } same } && group == same;

    private static bool MayBeMissing(SagaItem giver, SagaItem at, bool isUndo) =>
        giver == at ? isUndo && giver is SagaStep { UndoIfUnknown: true } : giver.MayGiveNothing || giver.Within.Except(at.Within).Any();

    private ConfigurationException Mistake(string code, string what) => new(code, $"Saga '{Prefix}' {what}");
}
