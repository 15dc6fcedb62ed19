using System.Linq.Expressions;
using System.Reflection;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>
/// What is declared about a resource: a table, its routes, who may use them, and the access patterns that decide its filters, its sorts and its
/// indexes. Every method returns the same declaration, so that calls chain.
/// </summary>
/// <typeparam name="T">The row: a positional record whose first member is <c>Id&lt;T&gt; Id</c>.</typeparam>
public sealed class ResourceDeclaration<T> where T : class
{
    private readonly Backend _backend;
    private readonly ResourceModel? _model;

    /// <param name="backend">Keeps the mistakes of the declaration.</param>
    /// <param name="model">What is declared; null when the record cannot be a resource, and then nothing more is said about it.</param>
    internal ResourceDeclaration(Backend backend, ResourceModel? model)
    {
        _backend = backend;
        _model = model;
    }

    /// <summary>No two rows have the same value of this member, or of these members together. A second one is refused with 409 and names the field.</summary>
    public ResourceDeclaration<T> Unique(params Expression<Func<T, object?>>[] members) =>
        Declare(model => model.Table.AddIndex(isUnique: true, Columns(model, members)));

    /// <summary>Lists may be filtered by these members: equal, one of several, and greater or less where values have an order. Each gets an index.</summary>
    public ResourceDeclaration<T> Filterable(params Expression<Func<T, object?>>[] members) =>
        Declare(model => Columns(model, members).ForEach(column => model.AddFilter(column)));

    /// <summary>Lists may be sorted by one of these members, up or down, with the id as tie-break. Each gets an index.</summary>
    public ResourceDeclaration<T> Sortable(params Expression<Func<T, object?>>[] members) =>
        Declare(model => Columns(model, members).ForEach(column => model.AddSort(column)));

    /// <summary>
    /// Lists take <c>search=…</c>, which looks for words in these texts, as they are written; letter case does not matter. Without <c>sort</c>, what fits best comes
    /// first; a word weighs more in a member that is named earlier. They get an index.
    /// </summary>
    public ResourceDeclaration<T> Searchable(params Expression<Func<T, object?>>[] members) => Searchable(SearchLanguage.Simple, members);

    /// <summary>The same for texts in one language: other forms of a word find it too, and words that are everywhere find nothing.</summary>
    public ResourceDeclaration<T> Searchable(SearchLanguage language, params Expression<Func<T, object?>>[] members) =>
        Declare(model => model.AddSearch(language, Columns(model, members)));

    /// <summary>
    /// Lists can also be read by page number: <c>page=3</c>, with <c>meta.page</c>, <c>totalCount</c>, <c>totalPages</c> and links to the first, previous, next and last page.
    /// Reaches the first 10,000 rows; behind them the cursor goes on. Rows that come and go between two pages repeat or hide others, which cursors prevent.
    /// </summary>
    public ResourceDeclaration<T> OffsetPages() =>
        Declare(model => model.HasPageNumbers = true);

    /// <summary>Lists take <c>count=true</c>, which adds <c>meta.totalCount</c>: how many rows there are on all pages together, counted up to 10,000.</summary>
    public ResourceDeclaration<T> Counts() =>
        Declare(model => model.HasCounts = true);

    /// <summary>An index over several members, for the combination of a filter and a sort that is asked for often: <c>order => new { order.Status, order.PlacedAt }</c>.</summary>
    public ResourceDeclaration<T> Index(Expression<Func<T, object?>> members) =>
        Declare(model => model.Table.AddIndex(isUnique: false, Columns(model, [members])));

    /// <summary>Clients read these members but do not set them; a created row has their default, and commands change them.</summary>
    public ResourceDeclaration<T> ReadOnly(params Expression<Func<T, object?>>[] members) =>
        Declare(model => Columns(model, members).ForEach(column => model.ReadOnly.Add(column)));

    /// <summary>
    /// Rows belong to a parent. Gives the nested route <c>/v1/parents/{id}/children</c>, <c>include=parent</c> here and <c>include=children</c> there
    /// (the newest ones), and an index.
    /// </summary>
    /// <param name="member">The id of the parent, for example <c>order => order.CustomerId</c>.</param>
    /// <param name="included">How many children <c>include</c> shows for each parent. Default: 3, at most 20.</param>
    public ResourceDeclaration<T> BelongsTo<TParent>(Expression<Func<T, Id<TParent>>> member, int included = 3) where TParent : class =>
        Declare(model => model.AddParent(typeof(TParent), model.Table.Require(MemberOf(member.Body)), included));

    /// <summary>Who may list and get, and which rows: a row policy becomes part of every statement. Several calls allow each of them.</summary>
    public ResourceDeclaration<T> AllowRead(Policy policy) =>
        Declare(model => model.Read = Or(model.Read, policy));

    /// <summary>Who may create, replace, change and delete. The same as <see cref="AllowCreate"/>, <see cref="AllowUpdate"/> and <see cref="AllowDelete"/>.</summary>
    public ResourceDeclaration<T> AllowWrite(Policy policy) => AllowCreate(policy).AllowUpdate(policy).AllowDelete(policy);

    /// <summary>Who may create rows. A row policy must hold for the new row.</summary>
    public ResourceDeclaration<T> AllowCreate(Policy policy) =>
        Declare(model => model.Create = Or(model.Create, policy));

    /// <summary>Who may replace and change rows. A row policy must hold for the row before and after.</summary>
    public ResourceDeclaration<T> AllowUpdate(Policy policy) =>
        Declare(model => model.Update = Or(model.Update, policy));

    /// <summary>Who may delete rows.</summary>
    public ResourceDeclaration<T> AllowDelete(Policy policy) =>
        Declare(model => model.Delete = Or(model.Delete, policy));

    /// <summary>Replace, change and delete need an <c>If-Match</c> header; without one they are refused with 428.</summary>
    public ResourceDeclaration<T> RequireIfMatch() =>
        Declare(model => model.RequiresIfMatch = true);

    /// <summary>How long lists and rows may be kept without asking again, in whole seconds up to a year. Default: they may be kept, but are asked for every time.</summary>
    /// <remarks>Shared caches may keep them too where <see cref="Policy.Anyone"/> may read the rows and everything shown beside them.</remarks>
    public ResourceDeclaration<T> Cache(TimeSpan maxAge) =>
        Declare(model => model.Cache = CachePolicy.For($"Resource {model.Path}", maxAge));

    /// <summary>
    /// Announces that the resource is on its way out, in the headers of every answer and in the documentation. Until the sunset it works as before; from then on it
    /// is 410.
    /// </summary>
    /// <param name="since">The day from which new clients should use something else; it may lie ahead.</param>
    /// <param name="sunset">The day, at 00:00 UTC, from which it is gone. Default: not decided.</param>
    /// <param name="info">The address of a page about it.</param>
    /// <param name="successor">The path or address of what takes its place, for example <c>/v2/products</c>.</param>
    public ResourceDeclaration<T> Deprecated(DateOnly since, DateOnly? sunset = null, string? info = null, string? successor = null) =>
        Declare(model => model.Deprecation = Deprecation.Of($"Resource {model.Path}", since, sunset, info, successor));

    /// <summary>
    /// How often each caller may call its operations, all counted together, within a time that begins with its first request; then 429 until that time is over. Holds for all
    /// nodes together. Several calls add limits that must all hold, for example one for bursts and one for the day.
    /// </summary>
    /// <param name="requests">How many, at least 1.</param>
    /// <param name="per">Within which time: whole seconds, up to 31 days.</param>
    /// <param name="name">What clients read in <c>RateLimit-Policy</c>, for example <c>burst</c>. Default: made from the numbers, such as <c>30/1m</c>.</param>
    public ResourceDeclaration<T> RateLimit(int requests, TimeSpan per, string? name = null) =>
        Declare(model => model.RateLimits.Add(requests, per, name));

    /// <summary>Refuses creating, replacing, changing and deleting without an <c>Idempotency-Key</c> with 400. Not where callers without a credential may write: they have no keys.</summary>
    public ResourceDeclaration<T> RequireIdempotencyKey() =>
        Declare(model => model.RequiresKey = true);

    /// <summary>
    /// Commits concurrent creations of single rows together, as <see cref="OperationDeclaration.Coalesce"/> does for a command. A creation that has to look at another
    /// row first, for example because who may see its parent depends on the parent's row, is committed alone as always.
    /// </summary>
    public ResourceDeclaration<T> Coalesce() =>
        Declare(model => model.IsCoalesced = true);

    private static Policy Or(Policy? known, Policy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return known is null ? policy : known | policy;
    }

    private ResourceDeclaration<T> Declare(Action<ResourceModel> declare)
    {
        if (_model is not null)
            _backend.Try(() => declare(_model));
        return this;
    }

    private static List<Column> Columns(ResourceModel model, IEnumerable<Expression<Func<T, object?>>> members) => [.. members.SelectMany(member => Columns(model, member))];

    private static IEnumerable<Column> Columns(ResourceModel model, Expression<Func<T, object?>> expression)
    {
        var body = expression.Body is UnaryExpression { NodeType: ExpressionType.Convert } convert ? convert.Operand : expression.Body;
        return body is NewExpression group ? [.. group.Arguments.Select(argument => model.Table.Require(MemberOf(argument)))] : [model.Table.Require(MemberOf(body))];
    }

    /// <summary>An optional id is named through its value, <c>order => order.CustomerId!.Value</c>: only so does the parent's type show.</summary>
    private static MemberInfo MemberOf(Expression expression) => expression switch
    {
        MemberExpression { Expression: ParameterExpression, Member: var member } => member,
        MemberExpression { Expression: MemberExpression { Expression: ParameterExpression, Member: var member } optional, Member.Name: "Value" } when Nullable.GetUnderlyingType(optional.Type) is not null => member,
        _ => throw new ConfigurationException("MST1402", $"'{expression}' does not name a member of {typeof(T).Name}, expected for example row => row.Name."),
    };
}
