#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

// Signed requests (RFC 9421) in an ordinary ASP.NET Core application. Of Mainstay it uses this one block, and a database that remembers nonces.

using System.Security.Cryptography;
using System.Text;
using Mainstay;

var builder = WebApplication.CreateBuilder(args);
await using var postgres = await PrivatePostgres.StartAsync(builder);

// A secret for this run. Yours comes from a store of secrets.
var secret = RandomNumberGenerator.GetBytes(32);
builder.Services.AddAuthentication(HttpSignatureExtensions.Scheme).AddHttpSignatures(options =>
    options.Keys.Add(new HttpSignatureKey("acme-1", Subject: "acme") { Secret = secret, Roles = ["partner"] }));
builder.Services.AddAuthorization();

var app = builder.Build();
app.UseAuthentication();
app.UseAuthorization();
app.MapPost("/parcels", (Parcel parcel, HttpContext http) => $"{parcel.Text} from {http.User.FindFirst("sub")!.Value}\n").RequireAuthorization();

await app.StartAsync();
Console.WriteLine($"""

    {postgres.Description}
    The same signed request twice; the second one is refused, because its nonce was used:

    """);
var request = Sign("POST", app.Urls.First() + "/parcels", """{"text":"tea"}""");
for (var i = 0; i < 2; i++)
{
    using var client = new HttpClient();
    using var response = await client.SendAsync(request());
    Console.WriteLine($"  {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
}
await app.WaitForShutdownAsync();

// What a client does, in any language: digest the body, write down what is signed line by line, sign it.
Func<HttpRequestMessage> Sign(string method, string target, string body)
{
    var digest = $"sha-256=:{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(body)))}:";
    var parameters = $"(\"@method\" \"@target-uri\" \"content-digest\");created={TimeProvider.System.GetUtcNow().ToUnixTimeSeconds()};keyid=\"acme-1\";nonce=\"{Guid.CreateVersion7()}\"";
    var signed = $"\"@method\": {method}\n\"@target-uri\": {target}\n\"content-digest\": {digest}\n\"@signature-params\": {parameters}";
    var signature = Convert.ToBase64String(HMACSHA256.HashData(secret, Encoding.ASCII.GetBytes(signed)));
    return () => new HttpRequestMessage(new HttpMethod(method), target)
    {
        Headers = { { "Signature-Input", $"sig1={parameters}" }, { "Signature", $"sig1=:{signature}:" }, { "Content-Digest", digest } },
        Content = new StringContent(body, Encoding.UTF8, "application/json"),
    };
}

record Parcel(string Text);
