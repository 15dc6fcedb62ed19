using System.Net.Sockets;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

public record Seen(string Address, string Scheme);

public sealed class ServerSettingsTests(PostgresFixture postgres)
{
    private static void Declare(Backend backend)
    {
        backend.Services.AddHttpContextAccessor();
        backend.Query("GET /v1/seen", (IHttpContextAccessor http) => new Seen(http.HttpContext!.Connection.RemoteIpAddress!.ToString(), http.HttpContext.Request.Scheme)).Allow(Policy.Anyone);
    }

    private async Task<TestBackend> StartAsync(params string[] settings) => await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), Declare, settings);

    [Fact]
    public async Task Settings_that_nobody_reads_refuse_the_start_all_at_once()
    {
        var message = await TestBackend.RefuseAsync(await postgres.CreateDatabaseAsync(), Declare, "--Mainstay:TrustedProxys=10.0.0.1", "--Mainstay:Postgres:Binarys=/x", "--Mainstay:Connections=none", "--Mainstay:Nothing:Like=this");

        message.ShouldContain("MST1013: There is no setting Mainstay:TrustedProxys. Did you mean 'Mainstay:TrustedProxies'?");
        message.ShouldContain("MST1013: There is no setting Mainstay:Postgres:Binarys. Did you mean 'Mainstay:Postgres:Binaries'?");
        message.ShouldContain("Mainstay:Nothing:Like");
        message.ShouldContain("MST1014");
    }

    [Theory]
    [InlineData("--ForwardedHeaders_Enabled=true", "ASPNETCORE_FORWARDEDHEADERS_ENABLED")]
    [InlineData("--Mainstay:TrustedProxies=10.0.0.300", "10.0.0.300")]
    [InlineData("--Mainstay:TrustedProxies=10.0.0.0/99", "10.0.0.0/99")]
    [InlineData("--Mainstay:TrustedProxies=proxy.example", "proxy.example")]
    public async Task Forwarded_headers_from_anybody_refuse_the_start(string setting, string named)
    {
        var message = await TestBackend.RefuseAsync(await postgres.CreateDatabaseAsync(), Declare, setting);

        message.ShouldStartWith("MST1015");
        message.ShouldContain(named);
    }

    [Theory]
    [InlineData("", "127.0.0.1 http")]
    [InlineData("--Mainstay:TrustedProxies=10.0.0.1", "127.0.0.1 http")]
    [InlineData("--Mainstay:TrustedProxies=127.0.0.1", "203.0.113.9 https")]
    [InlineData("--Mainstay:TrustedProxies=10.0.0.1, 127.0.0.0/8", "203.0.113.9 https")]
    [InlineData("--Mainstay:TrustedProxies:0=127.0.0.1", "203.0.113.9 https")]
    public async Task Only_a_trusted_proxy_says_who_calls(string setting, string seen)
    {
        await using var backend = await StartAsync(setting.Length == 0 ? [] : [setting]);

        var reply = (await backend.Anonymous.GetAsync("/v1/seen", "X-Forwarded-For: 198.51.100.1, 203.0.113.9", "X-Forwarded-Proto: http, https", "X-Forwarded-Host: evil.example")).Expect(200);

        $"{reply.Data.GetProperty("address").GetString()} {reply.Data.GetProperty("scheme").GetString()}".ShouldBe(seen);
    }

    [Fact]
    public async Task Only_allowed_hosts_are_served_and_the_others_get_a_problem()
    {
        await using var backend = await StartAsync("--AllowedHosts=shop.example;*.shop.example");

        foreach (var (host, status) in new[] { ("shop.example", 200), ("SHOP.example:8080", 200), ("api.shop.example", 200), ("evil.example", 400), ("shop.example.evil", 400), ("127.0.0.1", 400), ("", 400) })
            (await backend.RawAsync($"GET /v1/seen HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).ShouldHaveSingleItem().Expect(status, status == 400 ? "malformed-request" : null);
        (await backend.RawAsync("GET /v1/seen HTTP/1.0\r\n\r\n")).ShouldHaveSingleItem().Expect(400, "malformed-request");
    }

    [Fact]
    public async Task Connections_are_bounded()
    {
        await using var backend = await StartAsync("--Mainstay:Connections=2");
        var address = new Uri(backend.Running.Address);
        using TcpClient first = new(address.Host, address.Port), second = new(address.Host, address.Port);
        // Both are counted once they have been answered.
        foreach (var client in new[] { first, second })
        {
            await client.GetStream().WriteAsync("GET /v1/seen HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
            (await client.GetStream().ReadAsync(new byte[1000], TestContext.Current.CancellationToken)).ShouldBeGreaterThan(0);
        }

        using var third = new TcpClient(address.Host, address.Port);
        var read = await ReadAsync(third);

        read.ShouldBe(0);
    }

    private static async Task<int> ReadAsync(TcpClient client)
    {
        try
        {
            return await client.GetStream().ReadAsync(new byte[1000], TestContext.Current.CancellationToken);
        }
        catch (IOException)
        {
            return 0; // reset instead of closed
        }
    }

    [Fact]
    public async Task What_strictness_costs_can_be_measured_without_it()
    {
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), declared =>
        {
            Declare(declared);
            declared.IsStrict = false;
        });

        (await backend.Anonymous.GetAsync("/V1/Seen/", "Accept: text/html")).Expect(200);
        (await backend.Anonymous.SendAsync("GET", "/v1/seen", new { unexpected = true })).Expect(200);
    }
}
