namespace Mainstay;

/// <summary>
/// Says of the record of a job that its handler gives a reply, and which: whoever asks with <see cref="Jobs.AskAsync"/> waits for it. Enqueued instead, it is a job as any other, and what its handler
/// gives is dropped.
/// </summary>
/// <typeparam name="TReply">A record, a value, or a list of these; at most 256 KiB as JSON.</typeparam>
public interface IRequest<out TReply>;
