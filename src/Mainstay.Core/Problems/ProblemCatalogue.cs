namespace Mainstay.Internal;

/// <summary>Every problem the framework itself answers with. Each has its page in <c>docs/errors</c>; codes are never reused.</summary>
internal static class ProblemCatalogue
{
    public static readonly ProblemType MalformedRequest = new("malformed-request", 400, "Malformed request");
    public static readonly ProblemType MalformedJson = new("malformed-json", 400, "Malformed JSON");
    public static readonly ProblemType ValidationFailed = new("validation-failed", 400, "Validation failed");
    public static readonly ProblemType InvalidParameter = new("invalid-parameter", 400, "Invalid parameter");
    public static readonly ProblemType InvalidCursor = new("invalid-cursor", 400, "Invalid cursor");
    public static readonly ProblemType InvalidIdempotencyKey = new("invalid-idempotency-key", 400, "Invalid idempotency key");
    public static readonly ProblemType IdempotencyKeyRequired = new("idempotency-key-required", 400, "Idempotency key required");
    public static readonly ProblemType Unauthenticated = new("unauthenticated", 401, "Authentication required");
    public static readonly ProblemType Forbidden = new("forbidden", 403, "Forbidden");
    public static readonly ProblemType NotFound = new("not-found", 404, "Not found");
    public static readonly ProblemType MethodNotAllowed = new("method-not-allowed", 405, "Method not allowed");
    public static readonly ProblemType NotAcceptable = new("not-acceptable", 406, "Not acceptable");
    public static readonly ProblemType RequestTimeout = new("request-timeout", 408, "Request timeout");
    public static readonly ProblemType AlreadyExists = new("already-exists", 409, "Already exists");
    public static readonly ProblemType StillReferenced = new("still-referenced", 409, "Still referenced");
    public static readonly ProblemType ConcurrentUpdate = new("concurrent-update", 409, "Concurrent update");
    public static readonly ProblemType RequestInProgress = new("request-in-progress", 409, "Request in progress");
    public static readonly ProblemType Gone = new("gone", 410, "Gone");
    public static readonly ProblemType OperationUnfinished = new("operation-unfinished", 409, "Operation unfinished");
    public static readonly ProblemType OperationCancelled = new("operation-cancelled", 409, "Operation cancelled");
    public static readonly ProblemType OperationEnded = new("operation-ended", 409, "Operation ended");
    public static readonly ProblemType InsufficientFunds = new("insufficient-funds", 409, "Insufficient funds");
    public static readonly ProblemType AccountClosed = new("account-closed", 409, "Account closed");
    public static readonly ProblemType AccountNotEmpty = new("account-not-empty", 409, "Account not empty");
    public static readonly ProblemType HoldEnded = new("hold-ended", 409, "Hold ended");
    public static readonly ProblemType TransferReversed = new("transfer-reversed", 409, "Transfer reversed before");
    public static readonly ProblemType PreconditionFailed = new("precondition-failed", 412, "Precondition failed");
    public static readonly ProblemType BodyTooLarge = new("body-too-large", 413, "Body too large");
    public static readonly ProblemType UriTooLong = new("uri-too-long", 414, "URI too long");
    public static readonly ProblemType UnsupportedMediaType = new("unsupported-media-type", 415, "Unsupported media type");
    public static readonly ProblemType UnsupportedContentCoding = new("unsupported-content-coding", 415, "Unsupported content coding");
    public static readonly ProblemType ReferenceNotFound = new("reference-not-found", 422, "Reference not found");
    public static readonly ProblemType IdempotencyKeyReused = new("idempotency-key-reused", 422, "Idempotency key reused");
    public static readonly ProblemType AnswerTooLarge = new("answer-too-large", 422, "Answer too large");
    public static readonly ProblemType TransferReused = new("transfer-reused", 422, "Id or key used before");
    public static readonly ProblemType UnbalancedTransfer = new("unbalanced-transfer", 422, "Unbalanced transfer");
    public static readonly ProblemType InvalidAmount = new("invalid-amount", 422, "Invalid amount");
    public static readonly ProblemType HoldExceeded = new("hold-exceeded", 422, "Hold exceeded");
    public static readonly ProblemType PreconditionRequired = new("precondition-required", 428, "Precondition required");
    public static readonly ProblemType RateLimited = new("rate-limited", 429, "Too many requests");
    public static readonly ProblemType HeadersTooLarge = new("headers-too-large", 431, "Header fields too large");
    public static readonly ProblemType ClientClosedRequest = new("client-closed-request", 499, "Client closed request");
    public static readonly ProblemType InternalError = new("internal-error", 500, "Internal error");
    public static readonly ProblemType UnsupportedTransferCoding = new("unsupported-transfer-coding", 501, "Unsupported transfer coding");
    public static readonly ProblemType DatabaseUnavailable = new("database-unavailable", 503, "Database unavailable");
    public static readonly ProblemType OutcomeUnknown = new("outcome-unknown", 503, "Outcome unknown");
    public static readonly ProblemType QueueBehind = new("queue-behind", 503, "Queue behind");
    public static readonly ProblemType DeadlineExceeded = new("deadline-exceeded", 504, "Deadline exceeded");
    public static readonly ProblemType NoReply = new("no-reply", 504, "No reply in time");
    public static readonly ProblemType HttpVersionNotSupported = new("http-version-not-supported", 505, "HTTP version not supported");

    public static IReadOnlyList<ProblemType> All { get; } =
    [
        MalformedRequest, MalformedJson, ValidationFailed, InvalidParameter, InvalidCursor, InvalidIdempotencyKey, IdempotencyKeyRequired, Unauthenticated, Forbidden, NotFound,
        MethodNotAllowed, NotAcceptable, RequestTimeout, AlreadyExists, StillReferenced, ConcurrentUpdate, RequestInProgress,
        OperationUnfinished, OperationCancelled, OperationEnded, InsufficientFunds, AccountClosed, AccountNotEmpty, HoldEnded, TransferReversed, Gone, PreconditionFailed, BodyTooLarge,
        UriTooLong, UnsupportedMediaType, UnsupportedContentCoding, ReferenceNotFound, IdempotencyKeyReused, AnswerTooLarge, TransferReused, UnbalancedTransfer, InvalidAmount, HoldExceeded, PreconditionRequired, RateLimited, HeadersTooLarge,
        ClientClosedRequest, InternalError, UnsupportedTransferCoding, DatabaseUnavailable, OutcomeUnknown, QueueBehind, DeadlineExceeded, NoReply, HttpVersionNotSupported,
    ];
}
