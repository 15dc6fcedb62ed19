using System.Collections.Frozen;

namespace Mainstay.Internal;

/// <summary>What operations work with: made once when the application starts.</summary>
internal sealed record BackendServices
{
    public required string Name { get; init; }

    public required Database Database { get; init; }

    public required Transactor Transactor { get; init; }

    public required Reads Reads { get; init; }

    public AnswerBuffers Buffers { get; } = new();

    public required JobDesk Desk { get; init; }

    public required Receipts Receipts { get; init; }

    public required WireFormat Format { get; init; }

    public required SharedKeys Keys { get; init; }

    public CursorCodec Cursors => Keys.Cursors;

    /// <summary>Resources by row type: to find the location of a row that a command returns.</summary>
    public required FrozenDictionary<Type, ResourceModel> Resources { get; init; }

    public required LongRunning LongRunning { get; init; }

    public TimeProvider Clock => Database.Clock;
}
