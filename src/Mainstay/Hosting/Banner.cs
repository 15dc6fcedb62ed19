using System.Text;
using Microsoft.Extensions.Hosting;

namespace Mainstay.Internal;

/// <summary>What a developer sees after the start: where it runs, with which keys, and commands that work when they are pasted.</summary>
internal static class Banner
{
    /// <summary>One line while something slow happens at the first start.</summary>
    public static void Progress(string text) => Console.Error.WriteLine(text);

    public static async Task PrintAsync(Backend backend, BackendModel model, ICollection<string> addresses, DatabaseStart server, DevelopmentKeys? keys, SchemaReport report, Database database)
    {
        if (!backend.Builder.Environment.IsDevelopment())
            return;
        var address = addresses.First();
        var text = new StringBuilder();
        text.AppendLine().AppendLine($"{backend.Name} is running.").AppendLine();
        text.AppendLine($"  API            {string.Join(", ", addresses)}");
        text.AppendLine($"  Documentation  {address}/docs");
        text.AppendLine($"  Database       {server.Description}");
        if (report.Applied.Count > 0)
            text.AppendLine($"  Schema         {report.Applied.Count} {(report.Applied.Count == 1 ? "change" : "changes")} applied");
        if (keys is { Keys.Count: > 0 })
        {
            text.AppendLine().AppendLine("  Development keys, accepted from this machine only:");
            foreach (var key in keys.Keys)
                text.AppendLine($"    {key.Name,-12} {key.Key}");
        }
        var examples = await BannerExamples.OfAsync(model, address, keys, database);
        if (examples.Count > 0)
        {
            text.AppendLine().AppendLine("  Try:");
            foreach (var example in examples)
                text.AppendLine($"    {example}");
        }
        text.AppendLine().AppendLine("  Ctrl-C stops it.");
        // Where logs are collected, standard output is one JSON object per line, and no place for keys.
        await (Console.IsOutputRedirected ? Console.Error : Console.Out).WriteLineAsync(text);
    }
}
