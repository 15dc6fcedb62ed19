using Microsoft.Extensions.Configuration;

namespace Mainstay.Internal;

/// <summary><c>dotnet run shop.cs -- --schema script</c>: prints the declared schema as SQL and ends.</summary>
internal static class SchemaCommand
{
    public static bool IsAsked(Backend backend) => backend.Configuration["schema"] == "script";

    public static int Print(BackendModel model)
    {
        foreach (var statement in SchemaStart.Script(model.Tables.Models))
            Console.Out.WriteLine(statement);
        return 0;
    }
}
