using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Answers of ordinary endpoints that are not one small JSON document: streamed, flushed early, from a file, with headers that come late.</summary>
public sealed class StreamedAnswerTests(PostgresFixture postgres) : OwnDatabaseTests(postgres)
{
    private const int Most = 64 * 1024;

    private PlainApplication _app = null!;
    private string _file = null!;
    private readonly Meeting _meeting = new();
    private readonly TaskCompletionSource _aborted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    protected override async Task PrepareAsync()
    {
        await Source.ExecuteAsync("create table notes (text text not null)");
        _file = Path.GetTempFileName();
        await File.WriteAllTextAsync(_file, string.Concat(Enumerable.Range(0, 2000).Select(i => $"line {i}\n")), Stop);
        _app = await PlainApplication.StartAsync(ConnectionString, services =>
        {
            services.AddIdempotency(new IdempotencyOptions { ConnectionString = ConnectionString, Scope = _ => "me", AnswerBytesMost = Most });
            services.AddSingleton(Source);
        }, app =>
        {
            app.UseExceptionHandler(errors => errors.Run(http => http.Response.WriteAsync(http.Features.Get<IExceptionHandlerFeature>()!.Error.Message)));
            void Map(string path, Func<HttpContext, IResult> answer) => app.MapPost(path, async (HttpContext http, Receipt receipt) =>
            {
                await using var connection = await Source.OpenConnectionAsync();
                await using var transaction = await connection.BeginTransactionAsync();
                await using (var command = new NpgsqlCommand($"insert into notes values ('{path}')", connection, transaction))
                    await command.ExecuteNonQueryAsync();
                return await receipt.CommitAsync(transaction, answer(http));
            }).WithIdempotency();
            int Size(HttpContext http) => int.Parse(http.Request.Query["size"]!, System.Globalization.CultureInfo.InvariantCulture);
            Map("/stream", http => Results.Stream(async stream =>
            {
                for (var left = Size(http); left > 0; left -= 1000)
                {
                    await stream.WriteAsync(Encoding.ASCII.GetBytes(new string('s', Math.Min(left, 1000))));
                    await stream.FlushAsync();
                }
            }, "text/plain"));
            Map("/pipe", http => new Custom(async response =>
            {
                response.ContentType = "text/plain";
                response.StatusCode = 202;
                await response.StartAsync();
                for (var left = Size(http); left > 0; left -= 1000)
                {
                    response.BodyWriter.GetMemory(1000).Span.Fill((byte)'p');
                    response.BodyWriter.Advance(Math.Min(left, 1000));
                    await response.BodyWriter.FlushAsync();
                }
            }));
            Map("/file", http => new Custom(response => response.SendFileAsync(_file)));
            Map("/file-result", http => Results.File(_file, "text/x-lines", "lines.txt"));
            Map("/late-headers", http => new Custom(response =>
            {
                response.OnStarting(() =>
                {
                    response.Headers["Late"] = "yes";
                    return Task.CompletedTask;
                });
                response.Headers.Date = "Mon, 01 Jan 2024 00:00:00 GMT";
                response.Headers["Request-Id"] = "of-the-first";
                response.Headers["RateLimit"] = "\"x\";r=1";
                response.Headers["RateLimit-Policy"] = "\"x\";q=1";
                response.Headers["Kept"] = "kept";
                response.Cookies.Append("session", "1");
                return response.WriteAsync("late");
            }));
            Map("/trailers", http => new Custom(async response =>
            {
                await response.WriteAsync("body");
                response.HttpContext.Features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers.Append("Sum", "1");
            }));
            Map("/aborts", http => new Custom(response =>
            {
                response.HttpContext.Abort();
                return Task.CompletedTask;
            }));
            Map("/slow", http => new Custom(async response =>
            {
                http.RequestAborted.Register(() => _aborted.TrySetResult());
                await response.WriteAsync("first half, ");
                await _meeting.MeetAsync(CancellationToken.None);
                await response.WriteAsJsonAsync(new { text = "second half" });
                await response.Body.WriteAsync("."u8.ToArray(), response.HttpContext.RequestAborted);
            }));
            app.MapPost("/past-the-receipt", async (HttpContext http, Receipt receipt) =>
            {
                await http.Response.WriteAsync(receipt.IsKeyed ? "keyed" : "free");
            }).WithIdempotency();
        });
    }

    public override async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        await base.DisposeAsync();
        File.Delete(_file);
    }

    [Theory]
    [InlineData("/stream?size=30000", 200, "text/plain", 30000)]
    [InlineData("/pipe?size=30000", 202, "text/plain", 30000)]
    [InlineData("/file", 200, null, 18890)]
    [InlineData("/file-result", 200, "text/x-lines", 18890)]
    public async Task A_streamed_answer_is_sent_whole_and_repeated_whole(string path, int status, string? type, int length)
    {
        var first = await PostAsync(path, "k");
        var second = await PostAsync(path, "k");

        foreach (var answer in new[] { first, second })
        {
            ((int)answer.StatusCode).ShouldBe(status);
            answer.Content.Headers.ContentType?.MediaType.ShouldBe(type);
            answer.Content.Headers.ContentLength.ShouldBe(length);
        }
        (await second.Content.ReadAsByteArrayAsync(Stop)).ShouldBe(await first.Content.ReadAsByteArrayAsync(Stop));
        second.Content.Headers.ContentDisposition?.ToString().ShouldBe(first.Content.Headers.ContentDisposition?.ToString());
        (IsReplayed(first), IsReplayed(second)).ShouldBe((false, true));
        (await NotesAsync()).ShouldBe(1);
    }

    [Theory, InlineData("/stream"), InlineData("/pipe")]
    public async Task A_streamed_answer_is_kept_up_to_the_limit_and_refused_beyond_it(string path)
    {
        var headers = "Content-Type".Length + "text/plain".Length;

        var largest = await PostAsync($"{path}?size={Most - headers}", "fits");
        var refused = await PostAsync($"{path}?size={Most - headers + 1}", "too large");
        var far = await PostAsync($"{path}?size={10 * Most}", "far too large");
        var unkeyed = await PostAsync($"{path}?size={10 * Most}", null);

        largest.IsSuccessStatusCode.ShouldBeTrue();
        IsReplayed(await PostAsync($"{path}?size={Most - headers}", "fits")).ShouldBeTrue();
        foreach (var answer in new[] { refused, far })
        {
            ((int)answer.StatusCode).ShouldBe(422);
            (await answer.Content.ReadFromJsonAsync<JsonElement>(Stop)).GetProperty("code").GetString().ShouldBe("answer-too-large");
        }
        (await unkeyed.Content.ReadAsByteArrayAsync(Stop)).Length.ShouldBe(10 * Most);
        (await NotesAsync()).ShouldBe(2);
        (await Source.ScalarAsync<long>("select count(*) from mainstay.receipts")).ShouldBe(1);
    }

    [Fact]
    public async Task Headers_of_one_response_are_not_repeated_and_late_ones_are_kept()
    {
        var first = await PostAsync("/late-headers", "k");
        var second = await PostAsync("/late-headers", "k");

        foreach (var answer in new[] { first, second })
        {
            answer.Headers.GetValues("Late").ShouldBe(["yes"]);
            answer.Headers.GetValues("Kept").ShouldBe(["kept"]);
        }
        first.Headers.Contains("Set-Cookie").ShouldBeTrue();
        second.Headers.Date.ShouldNotBeNull().Year.ShouldBeGreaterThan(2024);
        foreach (var name in new[] { "Set-Cookie", "Request-Id", "RateLimit", "RateLimit-Policy" })
            second.Headers.Contains(name).ShouldBeFalse(name);
        var kept = await Source.ScalarAsync<string>("select headers from mainstay.receipts");
        kept.Split('\n').ShouldBe(["Kept: kept", "Late: yes"], ignoreOrder: true);
    }

    [Theory, InlineData("/trailers", "has trailers"), InlineData("/aborts", "was aborted")]
    public async Task What_cannot_be_kept_is_not_committed(string path, string why)
    {
        var answer = await PostAsync(path, "k");

        answer.StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
        (await answer.Content.ReadAsStringAsync(Stop)).ShouldStartWith("MST2006");
        (await answer.Content.ReadAsStringAsync(Stop)).ShouldContain(why);
        (await NotesAsync()).ShouldBe(0);
    }

    /// <summary>ASP.NET Core's writers stop quietly when the client has gone. Kept like that, half an answer would be the answer for a day.</summary>
    [Fact]
    public async Task A_client_that_goes_away_mid_way_finds_the_whole_answer_later()
    {
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var gone = PostAsync("/slow", "k", leaving.Token);
        await _meeting.Arrived.Task.WaitAsync(Stop);
        await leaving.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(gone);
        await _aborted.Task.WaitAsync(Stop);
        _meeting.Leave.SetResult();
        await Source.ShouldBecomeAsync("select count(*) from mainstay.receipts", 1L);

        var repeated = await PostAsync("/slow", "k");

        IsReplayed(repeated).ShouldBeTrue();
        (await repeated.Content.ReadAsStringAsync(Stop)).ShouldBe("""first half, {"text":"second half"}.""");
        (await NotesAsync()).ShouldBe(1);
    }

    [Fact]
    public async Task An_answer_that_is_written_past_its_receipt_is_noticed()
    {
        (await (await PostAsync("/past-the-receipt", null)).Content.ReadAsStringAsync(Stop)).ShouldBe("free");

        await Should.ThrowAsync<HttpRequestException>(async () => await (await PostAsync("/past-the-receipt", "k")).Content.ReadAsStringAsync(Stop));
    }

    private async Task<HttpResponseMessage> PostAsync(string path, string? key, CancellationToken? stop = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Idempotency-Key", $"\"{key}\"");
        return await _app.Client.SendAsync(request, stop ?? Stop);
    }

    private static bool IsReplayed(HttpResponseMessage answer) => answer.Headers.Contains("Idempotency-Replayed");

    private Task<long> NotesAsync() => Source.ScalarAsync<long>("select count(*) from notes");

    private sealed class Custom(Func<HttpResponse, Task> write) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext) => write(httpContext.Response);
    }
}
