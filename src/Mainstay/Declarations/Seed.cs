namespace Mainstay.Internal;

/// <summary>Data that is put into a development database once.</summary>
internal sealed record Seed(string Name, Func<UnitOfWork, Task> Fill);
