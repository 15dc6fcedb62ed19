using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>Writes answers to HTTP.</summary>
internal static class AnswerSender
{
    /// <summary>Sends a complete answer: status, headers, length, body, and no body for HEAD.</summary>
    public static async Task SendAsync(HttpContext http, Answer answer)
    {
        var response = http.Response;
        response.StatusCode = answer.Status;
        foreach (var (name, value) in answer.Headers)
            response.Headers[name] = value;
        if (answer.IsReplayed)
            response.Headers["Idempotency-Replayed"] = "true";
        if (answer.Status is 204 or 304)
            return;
        response.ContentLength = answer.Body.Length;
        if (!HttpMethods.IsHead(http.Request.Method))
            await response.Body.WriteAsync(answer.Body, http.RequestAborted);
    }
}
