using System.Data;
using Mainstay.Internal;

namespace Mainstay;

/// <summary>One read-only, consistent view of the data: everything read through it is as of the same instant. It changes nothing and may be served by a replica.</summary>
public sealed class Snapshot
{
    private readonly Work _work;
    private readonly WorkContext _context;

    internal Snapshot(Work work, WorkContext context)
    {
        _work = work;
        _context = context;
    }

    /// <summary>The caller. Anonymous when the operation admits anyone.</summary>
    public User User => _context.User;

    /// <summary>The instant of this call in UTC.</summary>
    public DateTimeOffset Now => _context.Now;

    /// <summary>Ends when the deadline of the call has passed or the caller has gone.</summary>
    public CancellationToken Cancellation => _context.Cancellation;

    /// <summary>The row with this id, or null.</summary>
    public async Task<T?> FindAsync<T>(Id<T> id) where T : class
    {
        var (_, sql) = _context.Tables.Require(typeof(T));
        var command = new Npgsql.NpgsqlBatchCommand(sql.Find);
        command.Parameters.Add(new Npgsql.NpgsqlParameter<Guid> { TypedValue = id.Value });
        await using var reader = await _work.ReadAsync([], command, Cancellation);
        return await reader.ReadAsync(Cancellation) ? (T)sql.ReadRow(reader) : null;
    }

    /// <summary>The row with this id.</summary>
    /// <exception cref="ProblemException"><c>not-found</c>: there is none.</exception>
    public async Task<T> RequireAsync<T>(Id<T> id) where T : class =>
        await FindAsync(id) ?? throw ProblemCatalogue.NotFound.Because($"There is no {typeof(T).Name} '{id}'.");

    /// <summary>Runs a query. At most <see cref="UnitOfWork.RowsMost"/> rows.</summary>
    /// <typeparam name="T">A record whose members match the columns by name (<c>placed_at</c> is <c>PlacedAt</c>), or a single value.</typeparam>
    public async Task<IReadOnlyList<T>> QueryAsync<T>(Sql sql)
    {
        await using var reader = await _work.ReadAsync([], sql.ToBatchCommand(), Cancellation);
        return await RowReader.ReadAllAsync<T>(reader, UnitOfWork.RowsMost, Cancellation);
    }
}
