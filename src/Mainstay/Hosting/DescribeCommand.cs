namespace Mainstay.Internal;

/// <summary>
/// <c>dotnet run shop.cs -- describe</c>: prints what is declared as Markdown, with a picture of who listens to what in Mermaid, and ends. Neither needs a database nor looks at settings. The same
/// declarations print the same text, so that it can be checked in.
/// </summary>
internal static class DescribeCommand
{
    public static int Print(Backend backend, BackendModel model, TextWriter output)
    {
        output.WriteLine($"# {backend.Name}");
        Section(output, "Operations", "operation | who may call it | sends",
            from operation in model.Operations.Where(operation => !operation.IsInternal)
            orderby operation.Pattern, operation.Method
            select $"`{operation.Name}` | {operation.Policy.Describe()} | {string.Join(", ", Sent(backend, operation.Name))}");
        Section(output, "Tables", "table | rows | resource", backend.Resources.Select(resource => $"{resource.Table.Schema}.{resource.Table.Name} | {resource.Table.RowType.Name} | `{resource.Path}`").Order(StringComparer.Ordinal));
        Section(output, "Events", "event | who listens", backend.Messages.Events.Select(known => $"{known.Name} | {(known.Subscriptions.Count == 0 ? "nobody" : string.Join(", ", known.Subscriptions))}"));
        Section(output, "Subscriptions and jobs", "name | begins with | effect | queue | sends",
            from handler in backend.Queues.Handlers
            where handler.Part is null && handler.Starter is null && !IsOfSaga(backend, handler.Name)
            select $"{handler.Name} | {Cause(backend, handler)} | {(handler.IsTransactional ? "once" : "at least once")} | {handler.Queue} | {string.Join(", ", Sent(backend, handler))}");
        foreach (var definition in backend.Sagas.Families.SelectMany(family => family.Versions))
            Section(output, $"Saga {definition.Prefix}", "item | undone | sends",
                definition.Items.Select(item => $"{item.Describe().Replace("|", "\\|", StringComparison.Ordinal)} | {(item is SagaStep { Undo: not null } ? "yes" : item is SagaStep ? "no" : "")} | {SentBy(backend, item)}"));
        Section(output, "Dependencies", "dependency | address", backend.Dependencies.Declared.Select(dependency => $"{dependency.Name} | {dependency.Address}"));
        output.WriteLine();
        output.WriteLine("## Who listens to what");
        output.WriteLine();
        output.WriteLine("```mermaid");
        foreach (var line in Choreography.Draw(backend, model))
            output.WriteLine(line);
        output.WriteLine("```");
        return 0;
    }

    /// <summary>The names of the events and jobs that an operation is declared to send.</summary>
    public static IEnumerable<string> Sent(Backend backend, string operation) =>
        backend.Operations.Where(declared => declared.Name == operation).SelectMany(declared => declared.Sent).Select(type => NameOf(backend, type));

    /// <summary>The names of the events and jobs that a handler is declared to send.</summary>
    public static IEnumerable<string> Sent(Backend backend, QueueHandler handler) => handler.Sent.Select(type => NameOf(backend, type));

    private static string SentBy(Backend backend, SagaItem item) => item is not SagaStep step ? "" : string.Join(", ",
        [.. Sent(backend, step.Do.Handler), .. step.Undo is { Handler: var undo } ? Sent(backend, undo).Select(name => $"{name} (undo)") : []]);

    private static string NameOf(Backend backend, Type type) => backend.Messages.IsEvent(type) ? backend.Messages.NameOf(type) : backend.Messages.HandlersOf(type)[0];

    public static bool IsOfSaga(Backend backend, string handler) => backend.Sagas.Families.Any(family => handler.StartsWith($"{family.Name}: ", StringComparison.Ordinal));

    private static string Cause(Backend backend, QueueHandler handler) =>
        handler.Scheduled is { } scheduled ? scheduled.Schedule.ToString()!
        : handler.JobType is { } job ? job.Name + (handler.Reply is { } reply ? $", replies {reply.Name}" : "")
        : backend.Messages.NameOf(handler.Input!);

    private static void Section(TextWriter output, string title, string columns, IEnumerable<string> rows)
    {
        var lines = rows.ToArray();
        if (lines.Length == 0)
            return;
        output.WriteLine();
        output.WriteLine($"## {title}");
        output.WriteLine();
        output.WriteLine($"| {columns} |");
        output.WriteLine($"|{string.Concat(Enumerable.Repeat("---|", columns.Split('|').Length))}");
        foreach (var line in lines)
            output.WriteLine($"| {line} |");
    }
}
