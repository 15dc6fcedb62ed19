namespace Mainstay.Internal;

/// <summary>
/// Ends a node where a test wants it. Whoever comes there dies with the node: it goes nowhere from there, until the test is over and everything of the node is taken down.
/// </summary>
internal sealed class NodeFaults(TestNode node, TestRun run) : IFaultPoints
{
    public async ValueTask ReachAsync(string point, string of)
    {
        // What the test itself arranges is not what it wants to see die, and it would wait here for an end that comes after it. On a dead node it has no connection, which it is told.
        if (of == TestRun.Operation)
            return;
        if (node.IsKilled)
            await node.GoNowhereAsync();
        if (run.Crashes.FirstOrDefault(crash => crash.Counts(point, of)) is not { } crash)
            return;
        await node.KillAsync();
        crash.Happened(node);
        await node.GoNowhereAsync();
    }
}
