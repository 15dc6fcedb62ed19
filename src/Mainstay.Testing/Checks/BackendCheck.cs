using Mainstay.Internal;

namespace Mainstay;

/// <summary>One check of one operation, made from its declaration.</summary>
public sealed class BackendCheck
{
    private readonly OperationCheck _check;
    private readonly string _operation;
    private readonly CheckOptions _options;

    internal BackendCheck(OperationCheck check, string operation, CheckOptions options) => (_check, _operation, _options) = (check, operation, options);

    /// <summary>The operation and what is checked, for example <c>POST /v1/orders: applies a duplicate once</c>.</summary>
    public string Name => $"{_operation}: {_check.Title}";

    /// <summary>Runs it. Empties the database of the backend first, and what the test has said of its fakes stays.</summary>
    /// <param name="shop">A backend of the same declarations.</param>
    /// <returns>Whether it could look.</returns>
    /// <exception cref="CheckException">What it found.</exception>
    public async Task<CheckResult> RunAsync(TestBackend shop)
    {
        ArgumentNullException.ThrowIfNull(shop);
        if (_options.Except.TryGetValue(Name, out var reason))
            return new CheckResult(Name, reason);
        var operation = shop.Node.Running.Model.Operations.FirstOrDefault(known => known.Name == _operation)
            ?? throw new CheckException($"{Name}: the backend has no operation '{_operation}'. Run the check on a backend of the declarations that it was made from.");
        shop.Run.Fakes.IsLenient = true;
        try
        {
            await shop.EmptyAsync();
            var result = new CheckResult(Name, await _check.RunAsync(new CheckScene(shop, operation, _options)));
            // What it has begun may call somebody, who is not told what to answer once the check is over.
            await shop.DrainAsync(new DrainOptions { AllowsDeadLetters = true });
            return result;
        }
        catch (Exception found) when (found is CheckException or DrainException)
        {
            throw new CheckException($"{Name}: {found.Message}");
        }
        finally
        {
            shop.Run.Fakes.IsLenient = false;
        }
    }

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
