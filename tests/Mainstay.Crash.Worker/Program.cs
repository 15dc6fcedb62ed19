using Mainstay.Tests;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

// A node that the fault tests kill. What it does it says on its standard output, in lines that begin with '@'; a line 'order KEY' on its standard input makes it
// record an order and its job in one transaction of its own, a line 'receive MESSAGE' take a message from outside,
// a line 'transfer NUMBER' make a transfer.
var voice = new Voice(Console.WriteLine);
using var host = FaultNode.Build(NodeSettings.Read(args), voice, logging => logging.AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Information));
await host.StartAsync();
voice.Say("ready");

// Left alone at the end: a read from a pipe cannot be cancelled, and ends with the process.
_ = TakeOrdersAsync(host.Services.GetRequiredService<FaultNode>());
await host.WaitForShutdownAsync();

static async Task TakeOrdersAsync(FaultNode node)
{
    using var input = new StreamReader(Console.OpenStandardInput());
    while (await input.ReadLineAsync() is { } line)
        if (line.Split(' ') is ["order", var key, .. var does])
            _ = node.OrderAsync(key, does is [var deed] ? deed : "");
        else if (line.Split(' ') is ["receive", var message])
            _ = node.ReceiveAsync(message);
        else if (line.Split(' ') is ["transfer", var number])
            _ = node.TransferAsync(int.Parse(number, System.Globalization.CultureInfo.InvariantCulture));
}
