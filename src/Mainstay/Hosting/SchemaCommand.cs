namespace Mainstay.Internal;

/// <summary><c>dotnet run shop.cs -- schema script</c>: prints the declared schema as SQL and ends.</summary>
internal static class SchemaCommand
{
    public static int Print(BackendModel model, TextWriter output)
    {
        foreach (var statement in SchemaStart.Script(model.Tables.Models))
            output.WriteLine(statement);
        return 0;
    }
}
