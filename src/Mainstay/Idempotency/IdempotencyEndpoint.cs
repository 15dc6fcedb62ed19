using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// What happens around an endpoint whose requests may be repeated:
/// <code>
/// 1. AroundAsync   read the key and the body; a stored answer is sent, and that is all
/// 2. the handler   works in its own transaction and ends it with Receipt.CommitAsync
/// 3. CommitAsync   render the answer, insert the receipt, commit; a used key rolls back and gives the stored answer
/// 4. AfterAsync    whatever else the handler ended with: ask again whether a concurrent request has used the key meanwhile
/// </code>
/// </summary>
/// <remarks>
/// Nothing is written before step 3, so a process that dies leaves nothing. In step 4 the handler may have failed only because of a concurrent request
/// with the same key, for example on a unique column; that request's answer is the right one then.
/// </remarks>
internal sealed class IdempotencyEndpoint(IdempotencyOptions options, Receipts receipts, IHostEnvironment environment, ILogger<Receipt> log, JobDesk? desk = null)
{
    private int _warnedOfStrangers;

    public async Task AroundAsync(HttpContext http, RequestDelegate endpoint, bool isRequired)
    {
        Receipt receipt;
        try
        {
            receipt = new Receipt(this, http, await ReadKeyAsync(http, isRequired));
            if (receipt.Key is { } key && await receipts.BeginAsync(key, http.RequestAborted) is { } stored)
            {
                await Replay(stored).ExecuteAsync(http);
                return;
            }
        }
        catch (Exception e) when (ProblemOf(e) is { } problem)
        {
            await Refusal(problem).ExecuteAsync(http);
            return;
        }
        http.Features.Set(receipt);
        await endpoint(http);
    }

    public async Task<IResult> CommitAsync(HttpContext http, NpgsqlTransaction transaction, ReceiptKey? key, IResult result, CancellationToken cancellation)
    {
        if (key is null)
        {
            await transaction.CommitAsync(CancellationToken.None);
            desk?.Wake();
            return result;
        }
        RenderedAnswer answer;
        try
        {
            answer = await RenderedAnswer.RenderAsync(http, result, options.AnswerBytesMost);
            if (await receipts.CommitAsync(transaction, key, answer.Kept, options.Wait, cancellation) is { } stored)
                return Replay(stored);
        }
        catch (ProblemException problem)
        {
            if (problem.Type == ProblemCatalogue.AnswerTooLarge)
            {
                IdempotencyLog.TooLarge(log, Name(http), options.AnswerBytesMost);
                await transaction.RollbackAsync(CancellationToken.None);
            }
            return Refusal(problem);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName)
        {
            throw CallerTransaction.OtherDatabase("MST2003", "receipts", e);
        }
        desk?.Wake();
        return answer;
    }

    public async ValueTask<object?> AfterAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        var http = invocation.HttpContext;
        if (http.Features.Get<Receipt>() is not { Key: { } key } receipt)
            return await next(invocation);
        object? result;
        try
        {
            result = await next(invocation);
        }
        catch (Exception e)
        {
            if (receipt.Outcome is null && await FindAsync(key, http) is { } stored)
            {
                IdempotencyLog.Overtaken(log, Name(http), e);
                return stored;
            }
            throw;
        }
        // What was committed with the receipt is what a repetition gets, so it is also what is sent now.
        if (receipt.Outcome is { } outcome)
            return outcome;
        if (receipt.Refusal is { } refusal)
            return await KeepAsync(http, key, refusal);
        if (StatusOf(http, result) < 400)
            RefuseUnkept(http);
        return await FindAsync(key, http) ?? result;
    }

    private async Task<IResult> KeepAsync(HttpContext http, ReceiptKey key, IResult refusal)
    {
        var answer = await RenderedAnswer.RenderAsync(http, refusal, int.MaxValue);
        if (answer.Kept.Status is < 400 or > 499)
            throw new ConfigurationException("MST2006", $"'{Name(http)}' refuses with status {answer.Kept.Status}, expected 400 to 499. An effect is kept by CommitAsync; failures of the server are not kept, so that they can be repeated.");
        try
        {
            return await receipts.KeepAsync(key, answer.Kept, Deadline.Never, http.RequestAborted) is { } stored ? Replay(stored) : answer;
        }
        catch (Exception e) when (ProblemOf(e) is { } problem)
        {
            return Refusal(problem);
        }
    }

    /// <summary>The answer of a concurrent request, or null. When the database is away nobody knows; what the handler ended with stands.</summary>
    private async Task<IResult?> FindAsync(ReceiptKey key, HttpContext http)
    {
        try
        {
            return await receipts.FindAsync(key, Deadline.Never, http.RequestAborted) is { } stored ? Replay(stored) : null;
        }
        catch (ProblemException reused) when (reused.Type == ProblemCatalogue.IdempotencyKeyReused)
        {
            return Refusal(reused);
        }
        catch (Exception e) when (e is NpgsqlException or ProblemException or OperationCanceledException)
        {
            IdempotencyLog.NotAsked(log, Name(http), e);
            return null;
        }
    }

    /// <summary>Success without a receipt: whoever repeats the request applies it twice. In development nobody shall overlook that; in production the effect has happened, so the truth is sent.</summary>
    private void RefuseUnkept(HttpContext http)
    {
        var mistake = new ConfigurationException("MST2004",
            $"'{Name(http)}' answered a request with an Idempotency-Key without receipt.CommitAsync, so a repetition would run it again. Take a Receipt parameter and return await receipt.CommitAsync(transaction, answer).");
        if (environment.IsDevelopment() || DevelopmentStart.EnvironmentName() is not null)
            throw mistake;
        IdempotencyLog.Unkept(log, mistake);
    }

    private async Task<ReceiptKey?> ReadKeyAsync(HttpContext http, bool isRequired)
    {
        var request = http.Request;
        if (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsOptions(request.Method))
            return null;
        if (!request.Headers.TryGetValue("Idempotency-Key", out var lines))
            return isRequired
                ? throw ProblemCatalogue.IdempotencyKeyRequired.Because("This operation needs an Idempotency-Key, and there is none. Send one string for each intended effect, such as \"8e03978e-40d5-43dd-bc93-6894a57f9324\", and the same one when you repeat it.")
                : null;
        var key = IdempotencyKey.Parse(lines);
        if (options.Scope(http) is not { Length: > 0 } scope)
        {
            if (Interlocked.Exchange(ref _warnedOfStrangers, 1) == 0)
                IdempotencyLog.Stranger(log, Name(http));
            return null;
        }
        return new ReceiptKey(scope, key, Fingerprint.Of(request, await ReadBodyAsync(http)));
    }

    /// <summary>Reads the body and puts it back, for the handler's own parameters.</summary>
    private async Task<byte[]> ReadBodyAsync(HttpContext http)
    {
        var request = http.Request;
        if (request.ContentLength > options.BodyBytesMost)
            throw HttpProblems.BodyTooLarge(options.BodyBytesMost);
        if (request.Body.CanSeek)
            request.Body.Position = 0;
        else if (http.Features.Get<IFormFeature>()?.Form is not null)
            throw ReadBefore(http);
        using var buffer = new LimitedBuffer(options.BodyBytesMost, static most => HttpProblems.BodyTooLarge(most));
        try
        {
            await request.Body.CopyToAsync(buffer, http.RequestAborted);
        }
        catch (IOException e)
        {
            throw HttpProblems.OfBody(e);
        }
        var body = buffer.ToArray();
        if (body.Length < request.ContentLength)
            throw ReadBefore(http);
        request.Body = new MemoryStream(body, writable: false);
        return body;
    }

    private static ConfigurationException ReadBefore(HttpContext http) => new("MST2005",
        $"The body of '{Name(http)}' was read before the endpoint began, by a middleware such as antiforgery, so its fingerprint cannot be taken. Call context.Request.EnableBuffering() in a middleware before that one.");

    private static RenderedAnswer Replay(Answer stored) => new(stored);

    private ProblemAnswer Refusal(ProblemException problem) => new(problem, options.Documentation);

    private static ProblemException? ProblemOf(Exception error) => error switch
    {
        ProblemException problem => problem,
        BadHttpRequestException bad => HttpProblems.Of(bad),
        NpgsqlException when DatabaseErrors.IsUnavailable(error) => DatabaseErrors.Unavailable(error),
        _ => null,
    };

    private static int StatusOf(HttpContext http, object? result) => result switch
    {
        INestedHttpResult nested => StatusOf(http, nested.Result),
        IStatusCodeHttpResult { StatusCode: { } status } => status,
        _ => http.Response.StatusCode,
    };

    private static string Name(HttpContext http) => http.GetEndpoint()?.DisplayName ?? http.Request.Path;
}
