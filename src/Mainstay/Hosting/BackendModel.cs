namespace Mainstay.Internal;

/// <summary>The declarations, checked and tied together: what is served.</summary>
internal sealed class BackendModel
{
    private BackendModel(Tables tables, IReadOnlyList<Operation> operations, IReadOnlyList<Policy> policies)
    {
        Tables = tables;
        Operations = operations;
        Policies = policies;
    }

    public Tables Tables { get; }

    public IReadOnlyList<Operation> Operations { get; }

    /// <summary>Every policy that something is allowed by.</summary>
    public IReadOnlyList<Policy> Policies { get; }

    /// <exception cref="ConfigurationException">All mistakes of all declarations.</exception>
    public static BackendModel Build(Backend backend)
    {
        var mistakes = new List<ConfigurationException>(backend.Mistakes);
        void Check(Action step)
        {
            try
            {
                step();
            }
            catch (ConfigurationException mistake)
            {
                mistakes.Add(mistake);
            }
        }

        foreach (var group in backend.Resources.GroupBy(resource => resource.Table.FullName).Where(group => group.Count() > 1))
            mistakes.Add(new ConfigurationException("MST1406", $"The resources {string.Join(" and ", group.Select(resource => resource.Path))} would share the table '{group.Key}'. Give one of them another last segment, or their modules a schema each."));
        foreach (var group in backend.Resources.GroupBy(resource => resource.Table.RowType).Where(group => group.Count() > 1))
            mistakes.Add(new ConfigurationException("MST1406", $"{group.Key.Name} is the row of {string.Join(" and ", group.Select(resource => resource.Path))}, expected one resource for each record."));
        Tables? tables = null;
        if (mistakes.Count == 0)
            Check(() => tables = new Tables([.. backend.Resources.Select(resource => resource.Table)]));
        foreach (var resource in backend.Resources)
        {
            Check(() => resource.Resolve(backend.Resources));
            Check(() => resource.RateLimits.Check($"resource {resource.Path}", resource.Path));
            CheckResource(resource, mistakes, Check);
        }
        foreach (var declaration in backend.Operations)
        {
            Check(() => declaration.RateLimits.Check($"'{declaration.Name}'", declaration.Name));
            CheckOperation(declaration, mistakes, Check);
        }
        Check(() => OperatorOperations.Check(backend.Operators));
        mistakes.AddRange(backend.Sagas.Compile(backend.IsService));
        mistakes.AddRange(backend.Queues.Compile(backend.Messages, backend.IsService));
        foreach (var group in backend.Seeds.GroupBy(seed => seed.Name).Where(group => group.Count() > 1))
            mistakes.Add(new ConfigurationException("MST1006", $"Seed '{group.Key}' is declared twice. Its name is stored, so it must be unique."));

        var operations = new List<Operation>();
        if (mistakes.Count == 0)
        {
            foreach (var resource in backend.Resources)
                foreach (var operation in ResourceOperations.Of(resource, backend.Resources))
                {
                    operation.Deprecation = resource.Deprecation;
                    operation.RateLimits = resource.RateLimits.Limits;
                    operations.Add(operation);
                }
            foreach (var declaration in backend.Operations)
                Check(() => operations.Add(Declared(declaration, backend.Messages)));
            operations.AddRange(OperationMonitors.Of([.. operations.OfType<LongRunningCommand>()]));
            operations.AddRange(OperatorOperations.Of(backend.Operators));
            foreach (var group in operations.GroupBy(operation => $"{operation.Method} {RoutePatterns.Nameless(operation.Pattern)}").Where(group => group.Select(operation => operation.Name).Distinct().Count() > 1))
                mistakes.Add(new ConfigurationException("MST1007", $"{string.Join(" and ", group.Select(operation => $"'{operation.Name}'"))} are one route, because names of parameters do not tell routes apart. Change the path of one of them."));
            foreach (var group in operations.GroupBy(operation => operation.Name).Where(group => group.Count() > 1))
                mistakes.Add(new ConfigurationException("MST1007", $"'{group.Key}' is declared {group.Count()} times. A resource that allows it serves it already: remove the command, or what the resource allows."));
            foreach (var operation in operations.Where(operation => operation.RequiresKey && operation.Policy.Resolve(User.Anonymous, operation.RowType) != Predicate.Never))
                mistakes.Add(new ConfigurationException("MST2007", $"'{operation.Name}' requires an Idempotency-Key and admits callers without a credential, whose keys are not kept. Allow only signed-in callers, for example .Allow(Policy.SignedIn), or do not require the key."));
        }
        if (mistakes.Count > 0)
            throw new ConfigurationException(mistakes);
        AddPolicyIndexes(backend.Resources);
        return new BackendModel(tables!, operations, [.. operations.Select(operation => operation.Policy)]);
    }

    private static void CheckResource(ResourceModel resource, List<ConfigurationException> mistakes, Action<Action> check)
    {
        if (!resource.Policies.Any())
            mistakes.Add(new ConfigurationException("MST1005", $"Resource {resource.Path} is reachable by nobody. Say who may read and write it, for example .AllowRead(Policy.Anyone).AllowWrite(Policy.Role(\"staff\"))."));
        foreach (var (verb, policy) in resource.Policies)
            check(() => policy.Check(resource.Table.RowType, $"Resource {resource.Path} ({verb})"));
    }

    private static void CheckOperation(OperationDeclaration declaration, List<ConfigurationException> mistakes, Action<Action> check)
    {
        if (declaration.Policy is null)
            mistakes.Add(new ConfigurationException("MST1005", $"'{declaration.Name}' is reachable by nobody. Say who may call it, for example .Allow(Policy.Role(\"customer\")) or .Allow(Policy.Anyone)."));
        else
            check(() => declaration.Policy.Check(null, $"'{declaration.Name}'"));
        if (declaration.Deadline <= TimeSpan.Zero || declaration.Deadline > OperationDefaults.TimeoutMost)
            mistakes.Add(new ConfigurationException("MST1008", $"'{declaration.Name}' has a timeout of {declaration.Deadline}, expected more than zero and at most {OperationDefaults.TimeoutMost}. Longer work belongs into the background: .LongRunning() for a command."));
        if (declaration.LongRunningWithin is { } within)
            CheckLongRunning(declaration, within, mistakes);
        if (declaration.IsCoalesced && (!declaration.IsCommand || declaration.LongRunningWithin is not null || declaration.IsolationLevel != System.Data.IsolationLevel.ReadCommitted))
            mistakes.Add(new ConfigurationException("MST1023", $"'{declaration.Name}' is declared with Coalesce, which is for commands that are answered when they are done, at the isolation read committed. Remove Coalesce, or what contradicts it: Query, LongRunning, Isolation."));
        if (declaration.RequiresKey && !declaration.IsCommand)
            mistakes.Add(new ConfigurationException("MST2007", $"Query '{declaration.Name}' requires an Idempotency-Key, but a query changes nothing and keeps none. Remove RequireIdempotencyKey."));
        if (declaration.IsCommand ? declaration.Handler.Context != HandlerContext.UnitOfWork : declaration.Handler.Context is not (HandlerContext.None or HandlerContext.Snapshot))
            mistakes.Add(new ConfigurationException("MST1002", declaration.IsCommand
                ? $"The handler of command '{declaration.Name}' takes no UnitOfWork, expected (input, UnitOfWork work) => …. An operation that only reads is a Query."
                : $"The handler of query '{declaration.Name}' takes {(declaration.Handler.Context == HandlerContext.Outbound ? "an Outbound" : "a UnitOfWork")}, expected a Snapshot. An operation that changes data is a Command."));
    }

    private static void CheckLongRunning(OperationDeclaration declaration, TimeSpan within, List<ConfigurationException> mistakes)
    {
        if (!declaration.IsCommand)
            mistakes.Add(new ConfigurationException("MST2401", $"Query '{declaration.Name}' is declared long-running, which only commands are. Give it a longer Timeout, or let a command store what it finds."));
        if (within <= TimeSpan.Zero || within > LongRunningOptions.WithinMost)
            mistakes.Add(new ConfigurationException("MST2401", $"'{declaration.Name}' is long-running within {within}, expected more than zero and at most {LongRunningOptions.WithinMost}. Split longer work into steps that commit on their own."));
        if (declaration.Policy is { } policy && !policy.RowTypes.Any() && policy.Resolve(User.Anonymous, null) != Predicate.Never)
            mistakes.Add(new ConfigurationException("MST2401", $"'{declaration.Name}' is long-running and allowed to callers who have not signed in, to whom nobody could show their operation again. Allow Policy.SignedIn or a role."));
    }

    private static Operation Declared(OperationDeclaration declaration, MessageCatalogue messages)
    {
        Operation operation = declaration switch
        {
            { LongRunningWithin: not null } => new LongRunningCommand(declaration)
            {
                Name = declaration.Name,
                Method = declaration.Method,
                Pattern = declaration.Pattern,
                Policy = declaration.Policy!,
                Timeout = declaration.Deadline,
                Isolation = declaration.IsolationLevel,
            },
            { IsCommand: true } => new DeclaredCommand(declaration)
            {
                Name = declaration.Name,
                Method = declaration.Method,
                Pattern = declaration.Pattern,
                Policy = declaration.Policy!,
                Timeout = declaration.Deadline,
                Isolation = declaration.IsolationLevel,
                IsCoalesced = declaration.IsCoalesced,
            },
            _ => new DeclaredQuery(declaration)
            {
                Name = declaration.Name,
                Method = declaration.Method,
                Pattern = declaration.Pattern,
                Policy = declaration.Policy!,
                Timeout = declaration.Deadline,
            },
        };
        operation.Deprecation = declaration.Deprecation;
        operation.RateLimits = declaration.RateLimits.Limits;
        operation.RequiresKey = declaration.RequiresKey;
        operation.Handlers = [.. declaration.Sent.SelectMany(messages.HandlersOf).Distinct()];
        return operation;
    }

    /// <summary>"Mine" is the most frequent filter of all: a column that a read policy compares with the user gets an index.</summary>
    private static void AddPolicyIndexes(IReadOnlyList<ResourceModel> resources)
    {
        foreach (var resource in resources)
            foreach (var member in resource.Read?.EqualityMembers.Distinct() ?? [])
                if (resource.Table.FindMember(member) is { } column && column != resource.Table.Key && column.Type.SqlType != "boolean")
                    resource.Table.AddIndex(isUnique: false, [column, resource.Table.Key]);
    }
}
