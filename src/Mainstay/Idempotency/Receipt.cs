using System.Data.Common;
using Mainstay.Internal;
using Microsoft.AspNetCore.Http;

namespace Mainstay;

/// <summary>
/// The record that a keyed request was answered, and how. A handler takes it as a parameter and ends its transaction with <see cref="CommitAsync"/>,
/// so that the effect and the receipt are committed together: after a crash there are both or neither. Of an endpoint with
/// <see cref="IdempotencyExtensions.WithIdempotency"/>; without a key it is an ordinary commit.
/// </summary>
public sealed class Receipt
{
    private readonly IdempotencyEndpoint _endpoint;
    private readonly HttpContext _http;

    internal Receipt(IdempotencyEndpoint endpoint, HttpContext http, ReceiptKey? key)
    {
        _endpoint = endpoint;
        _http = http;
        Key = key;
    }

    /// <summary>Whether this request carries a key that is kept.</summary>
    public bool IsKeyed => Key is not null;

    internal ReceiptKey? Key { get; }

    /// <summary>What will be sent, once that is settled: the answer that was committed, or the one that was found.</summary>
    internal IResult? Outcome { get; private set; }

    /// <summary>A refusal to keep when the handler has returned.</summary>
    internal IResult? Refusal { get; private set; }

    /// <summary>
    /// Commits the transaction together with the receipt of this answer. When the key was used by a concurrent request, rolls back and gives the answer
    /// of that one. Return what you get.
    /// </summary>
    /// <param name="transaction">The open transaction of the effect: of Npgsql or Dapper as it is, of EF Core from <c>GetDbTransaction()</c>. It is over afterwards.</param>
    /// <param name="answer">What the client shall get. Rendered before the commit, so that what cannot be rendered is not committed.</param>
    /// <param name="cancellation">Ends the wait for a concurrent request with the same key, not the commit.</param>
    /// <exception cref="ConfigurationException">MST2003: the transaction cannot carry a receipt. MST2006: the answer cannot be kept. Nothing was committed.</exception>
    public async Task<IResult> CommitAsync(DbTransaction transaction, IResult answer, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(answer);
        var open = CallerTransaction.Require(transaction, "MST2003");
        return Outcome = await _endpoint.CommitAsync(_http, open, Key, answer, cancellation);
    }

    /// <summary>
    /// Keeps a refusal that would be the same every time: repetitions get it again, also when it would no longer be refused. Return what you get, and
    /// leave the transaction uncommitted. Other refusals need nothing: they are decided afresh.
    /// </summary>
    /// <param name="refusal">An answer with a status from 400 to 499.</param>
    public IResult Refuse(IResult refusal)
    {
        ArgumentNullException.ThrowIfNull(refusal);
        return Refusal = refusal;
    }

    /// <summary>Called by ASP.NET Core for a handler's parameter.</summary>
    /// <exception cref="ConfigurationException">MST2002: the endpoint has no <see cref="IdempotencyExtensions.WithIdempotency"/>.</exception>
    public static ValueTask<Receipt?> BindAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return ValueTask.FromResult<Receipt?>(context.Features.Get<Receipt>() ?? throw new ConfigurationException("MST2002",
            $"'{context.GetEndpoint()?.DisplayName}' takes a Receipt, but keys are not read for it. Add .WithIdempotency() to the endpoint."));
    }
}
