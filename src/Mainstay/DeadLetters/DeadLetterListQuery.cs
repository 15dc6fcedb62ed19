using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>Dead letters page by page, those that died last first.</summary>
internal sealed class DeadLetterListQuery(OperationDeclaration declaration) : Operation
{
    private readonly DeclaredInput _input = new(declaration);

    public override bool IsCommand => false;

    public static DeadLetterListQuery Of(Policy operators, string path)
    {
        var declaration = OperatorOperations.Declare("GET", path, (Input input) => { }, isCommand: false);
        return new DeadLetterListQuery(declaration) { Name = declaration.Name, Method = declaration.Method, Pattern = declaration.Pattern, Policy = operators, IsInternal = true };
    }

    public override object? ReadInput(Call call) => _input.Read(call);

    public override async ValueTask<Answer> RunAsync(Call call, object? input)
    {
        var asked = (Input)input!;
        var binding = Position.BindingOf([Pattern, asked.Handler ?? "", asked.Reason ?? "", $"{asked.From:O}", $"{asked.Before:O}", asked.Error ?? "", $"{asked.Discarded}"]);
        var after = asked.Cursor is null ? null : await PositionAsync(call, asked.Cursor, binding);
        var filter = new DeadLetterFilter { Handler = asked.Handler, Reason = asked.Reason, From = asked.From, Before = asked.Before, Error = asked.Error, Discarded = asked.Discarded };
        // One more than the page has, to know whether there is another page.
        var found = await call.Backend.Transactor.ReadAsync(call.Reading, snapshot => DeadLetterStore.ListAsync(snapshot, filter, Instant(after), after?.Id, asked.PageSize + 1));
        var page = found.Take(asked.PageSize).ToArray();
        var next = found.Count > page.Length ? call.Backend.Cursors.Seal(new Position($"{page[^1].DeadAt:O}", page[^1].Id), binding) : null;
        List<KeyValuePair<string, string>> headers = [new("Content-Type", WireFormat.Json), new("Cache-Control", CachePolicy.Revalidate.Field(false)), new("Vary", "Authorization")];
        if (next is not null)
            headers.Add(new("Link", PageLinks.Next(call, next)));
        return new Answer(200, Body(call, page, asked.PageSize, next)) { Headers = headers };
    }

    private ReadOnlyMemory<byte> Body(Call call, DeadLetterEntry[] page, int size, string? next)
    {
        var (format, subject) = (call.Backend.Format, SubjectOf(null));
        using var json = JsonScratch.Rent();
        var writer = json.Writer;
        format.BeginList(writer, subject);
        foreach (var entry in page)
            Shape.Of(typeof(DeadLetterEntry)).Write(writer, entry);
        format.EndPage(writer, subject, new ResultPage(size, page.Length, next));
        return json.ToArray();
    }

    private static DateTimeOffset? Instant(Position? position) => position is null ? null : DateTimeOffset.Parse(position.Value!, CultureInfo.InvariantCulture);

    /// <exception cref="ProblemException"><c>invalid-cursor</c></exception>
    private static async Task<Position> PositionAsync(Call call, string cursor, byte[] binding)
    {
        var verdict = call.Backend.Cursors.Open(cursor, out var payload);
        if (verdict == CursorVerdict.UnknownKey)
        {
            await call.Backend.Keys.LookAsync(call.Cancellation);
            verdict = call.Backend.Cursors.Open(cursor, out payload);
        }
        return verdict == CursorVerdict.Opened && Position.Unpack(payload, binding) is { Value: not null } position
            ? position
            : throw ProblemCatalogue.InvalidCursor.Because("The cursor was not made by this list with these filters, or is too old. Take it unchanged from meta.nextCursor, or start without one.");
    }

    private sealed record Input(string? Handler, string? Reason, DateTimeOffset? From, DateTimeOffset? Before, string? Error, [MaxLength(CursorCodec.LengthMost)] string? Cursor,
        bool Discarded = false, [Range(1, ListQuery.PageSizeMost)] int PageSize = ListQuery.DefaultPageSize);
}
