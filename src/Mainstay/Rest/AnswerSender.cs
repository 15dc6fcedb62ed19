using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>Writes answers to HTTP: the coding is chosen, then the conditions of a read are asked, because each coding has its own tag.</summary>
internal static class AnswerSender
{
    /// <summary>Sends an answer in the form that the request accepts, or 304 when the client has it already.</summary>
    /// <exception cref="ProblemException"><c>precondition-failed</c>: a read with If-Match. Nothing has been sent.</exception>
    public static Task SendAsync(HttpContext http, Answer answer)
    {
        var request = http.Request;
        var isRead = HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method);
        string? etag = null, contentType = null;
        for (var i = 0; i < answer.Headers.Count; i++)
            if (answer.Headers[i].Key == "ETag")
                etag = answer.Headers[i].Value;
            else if (answer.Headers[i].Key == "Content-Type")
                contentType = answer.Headers[i].Value;

        var isCompressible = contentType is not null && Compression.Suits(answer.Status, contentType);
        var coding = isCompressible ? Compression.Select(request, answer.Body.Length) : null;
        // The tag of a read is that of the bytes. The tag in the answer to a change is that of the row, and not of these bytes.
        if (isRead && coding is not null && etag is not null)
            etag = ETags.InCoding(etag, coding);
        var isUnchanged = isRead && answer.Status == StatusCodes.Status200OK && Preconditions.IsNotModified(request.Headers, etag);

        SetHeaders(http.Response, answer, etag, isUnchanged, isCompressible);
        if (isUnchanged)
        {
            http.Response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }
        if (coding is not null)
            http.Response.Headers.ContentEncoding = coding;
        return WriteAsync(http, answer.Status, coding is null ? answer.Body : Compression.Compress(answer.Body, coding));
    }

    /// <summary>Sends an answer as it is, for an application that decides itself about codings and conditions.</summary>
    public static Task SendAsIsAsync(HttpContext http, Answer answer)
    {
        foreach (var (name, value) in answer.Headers)
            http.Response.Headers[name] = value;
        if (answer.IsReplayed)
            http.Response.Headers["Idempotency-Replayed"] = "true";
        return WriteAsync(http, answer.Status, answer.Body);
    }

    private static void SetHeaders(HttpResponse response, Answer answer, string? etag, bool isUnchanged, bool isCompressible)
    {
        var headers = response.Headers;
        string? vary = null;
        for (var i = 0; i < answer.Headers.Count; i++)
        {
            var (name, value) = answer.Headers[i];
            switch (name)
            {
                case "ETag":
                case "Content-Type" when isUnchanged:
                    break;
                case "Vary":
                    vary = value;
                    break;
                case "Link": // a deprecation may have set others
                    headers.Append(name, value);
                    break;
                default:
                    headers[name] = value;
                    break;
            }
        }
        if (etag is not null)
            headers.ETag = etag;
        if (isCompressible)
            vary = vary is null ? "Accept-Encoding" : vary + ", Accept-Encoding";
        if (vary is not null)
            headers.Append("Vary", vary);
        if (answer.IsReplayed)
            headers["Idempotency-Replayed"] = "true";
    }

    private static Task WriteAsync(HttpContext http, int status, ReadOnlyMemory<byte> body)
    {
        http.Response.StatusCode = status;
        if (status is 204 or 304)
            return Task.CompletedTask;
        http.Response.ContentLength = body.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : http.Response.Body.WriteAsync(body, http.RequestAborted).AsTask();
    }
}
