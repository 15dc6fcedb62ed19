using System.Linq.Expressions;
using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Internal;

/// <summary>What a handler's context parameter guarantees.</summary>
internal enum HandlerContext { None, UnitOfWork, Snapshot, Outbound }

/// <summary>
/// A handler as declared: a lambda or method whose parameters are, in any order, at most one input record, one context, a cancellation token, and
/// services. Its signature is read once, at the declaration; a call runs compiled code.
/// </summary>
internal sealed class Handler
{
    private readonly Func<object?, object?, IServiceProvider, CancellationToken, Task<object?>> _invoke;

    private Handler(Type? input, HandlerContext context, Type? result, IReadOnlyList<Type> services, Func<object?, object?, IServiceProvider, CancellationToken, Task<object?>> invoke)
    {
        Input = input;
        Context = context;
        Result = result;
        ElementOfResult = result?.GetInterfaces().Append(result).FirstOrDefault(known => result != typeof(string) && known.IsGenericType && known.GetGenericTypeDefinition() == typeof(IEnumerable<>))?.GenericTypeArguments[0];
        Services = services;
        _invoke = invoke;
    }

    /// <summary>The input record, or null.</summary>
    public Type? Input { get; }

    public HandlerContext Context { get; }

    /// <summary>What the handler returns, tasks unwrapped; null for nothing.</summary>
    public Type? Result { get; }

    /// <summary>Whether there may be nothing to show: the handler returns nothing, or its result type admits null.</summary>
    public bool MayReturnNull { get; private init; }

    /// <summary>What the elements are when the result is a list, else null. Known from the declaration, so that an empty list is called the same as a full one.</summary>
    public Type? ElementOfResult { get; }

    public IReadOnlyList<Type> Services { get; }

    /// <summary>The parameters that ask for one of several given inputs.</summary>
    public IReadOnlyList<ParameterInfo> Asked { get; private init; } = [];

    public Task<object?> InvokeAsync(object? input, object? context, IServiceProvider services, CancellationToken cancellation) => _invoke(input, context, services, cancellation);

    /// <summary>What a handler without a context gives for these inputs, when it does not wait for anything.</summary>
    public object? Compute(object?[] inputs) => _invoke(inputs, null, NoServices.Instance, CancellationToken.None).GetAwaiter().GetResult();

    /// <param name="name">The declared name, for messages.</param>
    /// <param name="handler">The lambda or method.</param>
    /// <param name="isService">Tells the types that are services of the application.</param>
    /// <param name="inputType">The type that must be the input, for events; null when the handler decides.</param>
    /// <param name="given">Types of several inputs, each of which it may ask for. Then the input of a call is an array of them, in this order.</param>
    /// <exception cref="ConfigurationException">MST1002: the signature is not one that can be called.</exception>
    public static Handler Compile(string name, Delegate handler, Func<Type, bool> isService, Type? inputType = null, IReadOnlyCollection<Type>? given = null)
    {
        var method = handler.Method;
        var input = Expression.Parameter(typeof(object), "input");
        var context = Expression.Parameter(typeof(object), "context");
        var services = Expression.Parameter(typeof(IServiceProvider), "services");
        var cancellation = Expression.Parameter(typeof(CancellationToken), "cancellation");
        var serviceTypes = new List<Type>();
        var asked = new List<ParameterInfo>();
        Type[] inputs = [.. given ?? []];
        Type? inputFound = null;
        var contextFound = HandlerContext.None;

        var arguments = new List<Expression>();
        foreach (var parameter in method.GetParameters())
        {
            var type = parameter.ParameterType;
            if (ContextOf(type) is var found and not HandlerContext.None)
            {
                if (contextFound != HandlerContext.None)
                    throw Mistake(name, "takes two contexts", "one of UnitOfWork, Snapshot and Outbound");
                contextFound = found;
                arguments.Add(Expression.Convert(context, type));
            }
            else if (type == typeof(CancellationToken))
                arguments.Add(cancellation);
            else if (type.IsByRef || type.IsPointer)
                throw Mistake(name, $"takes '{parameter.Name}' by reference", "parameters by value");
            else if (Array.IndexOf(inputs, type) is >= 0 and var place)
            {
                asked.Add(parameter);
                arguments.Add(Expression.Convert(Expression.ArrayIndex(Expression.Convert(input, typeof(object[])), Expression.Constant(place)), type));
            }
            else if (type != inputType && (isService(type) || type.IsInterface || parameter.IsDefined(typeof(FromKeyedServicesAttribute))))
            {
                serviceTypes.Add(type);
                arguments.Add(Expression.Call(typeof(ServiceProviderServiceExtensions), nameof(ServiceProviderServiceExtensions.GetRequiredService), new[] { type }, services));
            }
            else if (given is not null)
                throw Mistake(name, $"takes {type.Name}", $"what is known before it, which is {string.Join(", ", inputs.Select(known => known.Name))}. If {type.Name} is a service, register it with Services before this declaration");
            else if (inputFound is not null)
                throw Mistake(name, $"takes both {inputFound.Name} and {type.Name} as input", $"one input record. If {type.Name} is a service, register it with Services before this declaration");
            else
            {
                inputFound = type;
                arguments.Add(Expression.Convert(input, type));
            }
        }
        if (inputType is not null && inputFound != inputType)
            throw Mistake(name, $"does not take {inputType.Name}", $"a parameter of type {inputType.Name}");

        var call = Expression.Call(handler.Target is null ? null : Expression.Constant(handler.Target), method, arguments);
        var (result, body) = Unwrap(name, call, method);
        return new Handler(inputFound, contextFound, result, serviceTypes,
            Expression.Lambda<Func<object?, object?, IServiceProvider, CancellationToken, Task<object?>>>(body, input, context, services, cancellation).Compile())
        {
            Asked = asked,
            MayReturnNull = result is null || AdmitsNull(method.ReturnParameter, result, isCommand: contextFound == HandlerContext.UnitOfWork),
        };
    }

    private static HandlerContext ContextOf(Type type) =>
        type == typeof(UnitOfWork) ? HandlerContext.UnitOfWork
        : type == typeof(Snapshot) ? HandlerContext.Snapshot
        : type == typeof(Outbound) ? HandlerContext.Outbound
        : HandlerContext.None;

    /// <summary>
    /// By the annotations of the compiler. It writes none for a lambda that leaves its result type to inference; then a command has something to
    /// show unless it says otherwise, and a query may find nothing.
    /// </summary>
    private static bool AdmitsNull(ParameterInfo returned, Type result, bool isCommand)
    {
        if (result.IsValueType)
            return Nullable.GetUnderlyingType(result) is not null;
        var annotation = new NullabilityInfoContext().Create(returned);
        var state = (annotation.GenericTypeArguments is [var inTask] && typeof(Task).IsAssignableFrom(returned.ParameterType) ? inTask : annotation).ReadState;
        return state == NullabilityState.Nullable || (state == NullabilityState.Unknown && !isCommand);
    }

    private static (Type? Result, Expression Body) Unwrap(string name, Expression call, MethodInfo method)
    {
        var returned = method.ReturnType;
        if (returned == typeof(void))
        {
            if (method.IsDefined(typeof(AsyncStateMachineAttribute)))
                throw Mistake(name, "is async void, so nobody could know when it has ended", "a Task");
            return (null, Expression.Block(call, Expression.Call(typeof(Task), nameof(Task.FromResult), new[] { typeof(object) }, Expression.Constant(null, typeof(object)))));
        }
        if (returned == typeof(Task))
            return (null, Expression.Call(typeof(Handler), nameof(NothingAsync), null, call));
        if (returned.IsGenericType && returned.GetGenericTypeDefinition() == typeof(Task<>))
            return (returned.GetGenericArguments()[0], Expression.Call(typeof(Handler), nameof(BoxAsync), new[] { returned.GetGenericArguments()[0] }, call));
        if (returned == typeof(ValueTask) || (returned.IsGenericType && returned.GetGenericTypeDefinition() == typeof(ValueTask<>)))
            throw Mistake(name, "returns a ValueTask", "a Task, a value, or nothing");
        return (returned, Expression.Call(typeof(Task), nameof(Task.FromResult), new[] { typeof(object) }, Expression.Convert(call, typeof(object))));
    }

    private static async Task<object?> NothingAsync(Task task)
    {
        await task;
        return null;
    }

    private static async Task<object?> BoxAsync<T>(Task<T> task) => await task;

    private static ConfigurationException Mistake(string name, string what, string expected) =>
        new("MST1002", $"The handler of '{name}' {what}, expected {expected}. A handler looks like (PlaceOrder input, UnitOfWork work) => …");

    private sealed class NoServices : IServiceProvider
    {
        public static readonly NoServices Instance = new();

        public object? GetService(Type serviceType) => null;
    }
}
