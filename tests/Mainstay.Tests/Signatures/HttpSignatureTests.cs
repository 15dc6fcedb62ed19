using System.Security.Cryptography;
using System.Text;

using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.DependencyInjection;

namespace Mainstay.Tests;

public record Parcel(Id<Parcel> Id, string OwnerId, string Text);

/// <summary>Signed requests as a partner's system sends them. The signatures are made here from the standard's text, not by the code that checks them.</summary>
public sealed class HttpSignatureTests(SignedFixture fixture) : IClassFixture<SignedFixture>
{
    private const string Path = "/v1/parcels";

    [Fact]
    public async Task A_signed_request_acts_for_the_subject_of_its_key()
    {
        var created = (await Post(new Signer(fixture))).Expect(201);

        created.Data.GetProperty("ownerId").GetString().ShouldBe("acme");
        (await new Signer(fixture).SendAsync("GET", $"{Path}/{created.Id}?fields=id,text", null)).Expect(200);
        (await fixture.Backend.Anonymous.GetAsync($"{Path}/{created.Id}")).Expect(401, "unauthenticated");
    }

    [Theory]
    [InlineData("curve")]
    [InlineData("rsa")]
    public async Task Public_keys_verify_what_private_ones_signed(string key) => (await Post(new Signer(fixture) { KeyId = key })).Expect(201);

    [Fact]
    public async Task A_client_that_changes_its_key_has_two_for_a_while()
    {
        (await Post(new Signer(fixture) { KeyId = "acme-1" })).Expect(201);
        (await Post(new Signer(fixture) { KeyId = "acme-2" })).Expect(201);
        (await Post(new Signer(fixture) { KeyId = "acme-0" })).Expect(401, "unauthenticated");
    }

    public static TheoryData<string, Action<Signer>> Refused => new()
    {
        { "no key id", signer => signer.KeyId = null },
        { "a key that nobody has", signer => signer.KeyId = "acme-9" },
        { "another secret", signer => signer.Secret = new byte[32] },
        { "another algorithm", signer => signer.Algorithm = "ecdsa-p256-sha256" },
        { "no method", signer => signer.Components.Remove("@method") },
        { "no target", signer => signer.Components.Remove("@target-uri") },
        { "no digest although there is a body", signer => signer.Components.Remove("content-digest") },
        { "a digest of another body", signer => signer.Digested = "{}" },
        { "a header that is not there", signer => signer.Components.Add("if-match") },
        { "a component that is covered twice", signer => signer.Components.Add("@method") },
        { "a component that is unknown", signer => signer.Components.Add("@status") },
        { "no time", signer => signer.Created = null },
        { "an old signature", signer => signer.Created -= 301 },
        { "a signature from the future", signer => signer.Created += 330 },
        { "an expired one", signer => signer.Expires = signer.Created - 1 },
        { "no nonce", signer => signer.Nonce = null },
        { "an empty nonce", signer => signer.Nonce = "" },
        { "a nonce without end", signer => signer.Nonce = new string('n', 201) },
        { "a changed path", signer => signer.SignedPath = "/v1/products" },
        { "a changed method", signer => signer.SignedMethod = "PUT" },
        { "fields that do not belong together", signer => signer.Label = "other" },
    };

    [Theory]
    [MemberData(nameof(Refused), DisableDiscoveryEnumeration = true)]
    public async Task A_signature_that_does_not_hold_is_refused(string what, Action<Signer> spoil)
    {
        var signer = new Signer(fixture);
        spoil(signer);

        var refused = (await Post(signer)).Expect(401, "unauthenticated");

        refused.Header("Accept-Signature").ShouldNotBeNull(what);
        refused.Header("WWW-Authenticate").ShouldNotBeNull(what);
    }

    [Fact]
    public async Task An_unknown_key_and_a_wrong_signature_look_alike()
    {
        var unknown = await Post(new Signer(fixture) { KeyId = "acme-9" });
        var wrong = await Post(new Signer(fixture) { Secret = new byte[32] });

        unknown.Detail.ShouldBe(wrong.Detail);
    }

    [Fact]
    public async Task A_request_that_was_seen_is_refused_when_it_is_sent_again()
    {
        var signer = new Signer(fixture);
        (await Post(signer)).Expect(201);

        (await Post(signer)).Expect(401, "unauthenticated").Detail.ShouldContain("nonce");
        (await Post(new Signer(fixture) { KeyId = "acme-2", Nonce = signer.Nonce })).Expect(201);
    }

    [Fact]
    public async Task One_of_many_parallel_copies_is_accepted()
    {
        var signer = new Signer(fixture);

        var replies = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Post(signer)));

        replies.Count(reply => reply.Status == 201).ShouldBe(1);
        replies.Count(reply => reply.Status == 401).ShouldBe(11);
    }

    [Fact]
    public async Task A_request_that_is_refused_does_not_use_up_its_nonce()
    {
        var signer = new Signer(fixture) { Digested = "{}" };
        (await Post(signer)).Expect(401);

        signer.Digested = null;
        (await Post(signer)).Expect(201);
    }

    [Fact]
    public async Task Reads_need_no_nonce()
    {
        (await new Signer(fixture) { Nonce = null }.SendAsync("GET", Path, null)).Expect(200);
    }

    [Fact]
    public async Task A_repetition_with_an_idempotency_key_is_signed_anew_and_replayed()
    {
        var key = $"Idempotency-Key: \"{Guid.CreateVersion7()}\"";
        Task<Reply> SendAsync()
        {
            var signer = new Signer(fixture);
            signer.Components.Add("idempotency-key");
            return signer.SendAsync("POST", Path, "{\"ownerId\":\"acme\",\"text\":\"a\"}", key);
        }

        var first = (await SendAsync()).Expect(201);
        var second = (await SendAsync()).Expect(201);

        second.Text.ShouldBe(first.Text);
        second.Header("Idempotency-Replayed").ShouldBe("true");
    }

    [Theory]
    [InlineData("Idempotency-Key: \"k\"")]
    [InlineData("If-Match: *")]
    [InlineData("If-None-Match: *")]
    public async Task A_header_that_decides_what_happens_must_be_signed(string header)
    {
        (await new Signer(fixture).SendAsync("POST", Path, "{\"ownerId\":\"acme\",\"text\":\"a\"}", header)).Expect(401, "unauthenticated").Detail.ShouldContain("must cover");
    }

    [Theory]
    [InlineData("Bearer dev_wrong")]
    [InlineData("Bearer other")]
    public async Task A_signature_beside_another_credential_is_refused(string authorization)
    {
        (await new Signer(fixture).SendAsync("GET", Path, null, "Authorization: " + authorization)).Expect(401, "unauthenticated").Detail.ShouldContain("one credential");
        var (name, key) = fixture.Backend.Running.DevelopmentKeys!.Keys.Select(known => (known.Name, known.Key)).First();
        (await new Signer(fixture).SendAsync("GET", Path, null, $"Authorization: Bearer {key}")).Expect(401, "unauthenticated").Detail.ShouldContain("one credential", customMessage: name);
    }

    [Fact]
    public async Task Path_authority_and_query_may_be_signed_apart_and_fields_in_several_lines_together()
    {
        var signer = new Signer(fixture);
        signer.Components.Remove("@target-uri");
        signer.Components.AddRange(["@scheme", "@authority", "@path", "@query", "@query-param;name=\"pageSize\"", "x-list"]);

        (await signer.SendAsync("GET", Path + "?pageSize=5", null, "X-List: a", "+X-List:  b ")).Expect(200);
    }

    [Fact]
    public async Task A_body_that_is_too_large_for_a_signed_request_is_refused_without_being_read()
    {
        (await new Signer(fixture).SendAsync("POST", Path, $"{{\"ownerId\":\"acme\",\"text\":\"{new string('a', 1024 * 1024)}\"}}")).Expect(413, "body-too-large");
    }

    [Fact]
    public void Wrong_options_refuse_the_start_all_at_once()
    {
        var message = Should.Throw<ConfigurationException>(() => new ServiceCollection().AddAuthentication().AddHttpSignatures(options =>
        {
            options.Keys.Add(new HttpSignatureKey("short", "acme") { Secret = new byte[16] });
            options.Keys.Add(new HttpSignatureKey("neither", "acme"));
            options.Keys.Add(new HttpSignatureKey("text", "acme") { PublicKey = "not a key" });
            options.Keys.Add(new HttpSignatureKey("twice", "acme") { Secret = new byte[32] });
            options.Keys.Add(new HttpSignatureKey("twice", "acme") { Secret = new byte[32] });
            options.AgeMost = TimeSpan.FromDays(1);
            options.BodyBytesMost = 0;
        })).Message;

        foreach (var part in new[] { "'short'", "'neither'", "'text'", "'twice'", "AgeMost", "BodyBytesMost" })
            message.ShouldContain(part);
        Should.Throw<ConfigurationException>(() => new ServiceCollection().AddAuthentication().AddHttpSignatures(_ => { })).Message.ShouldContain("MST2601");

    }

    private static Task<Reply> Post(Signer signer) => signer.SendAsync("POST", Path, "{\"ownerId\":\"acme\",\"text\":\"a\"}");
}

/// <summary>A partner's client.</summary>
public sealed class Signer(SignedFixture fixture)
{
    public string? KeyId { get; set; } = "acme-1";

    public string Label { get; set; } = "sig1";

    public string? Algorithm { get; set; }

    public byte[]? Secret { get; set; }

    public long? Created { get; set; } = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    public long? Expires { get; set; }

    public string? Nonce { get; set; } = Guid.CreateVersion7().ToString();

    public string? Digested { get; set; }

    public string? SignedPath { get; set; }

    public string? SignedMethod { get; set; }

    public List<string> Components { get; } = ["@method", "@target-uri", "content-digest"];

    internal Task<Reply> SendAsync(string method, string path, string? body, params string[] headers)
    {
        var address = fixture.Backend.Http.BaseAddress!;
        var components = body is null ? Components.Where(name => name != "content-digest").ToList() : Components;
        var digest = body is null ? null : $"sha-256=:{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Digested ?? body)))}:";
        var target = SignedPath ?? path;
        string Value(string name) => name switch
        {
            "@method" => SignedMethod ?? method,
            "@scheme" => "http",
            "@authority" => address.Authority,
            "@path" => target.Split('?')[0],
            "@query" => "?" + target.Split('?').ElementAtOrDefault(1),
            "@query-param;name=\"pageSize\"" => "5",
            "@target-uri" => $"http://{address.Authority}{target}",
            "content-digest" => digest!,
            "x-list" => "a, b",
            "idempotency-key" => headers.Single(line => line.StartsWith("Idempotency-Key: ", StringComparison.Ordinal))["Idempotency-Key: ".Length..],
            _ => "?",
        };
        string Quoted(string name) => name.Contains(';', StringComparison.Ordinal) ? $"\"{name[..name.IndexOf(';', StringComparison.Ordinal)]}\"{name[name.IndexOf(';', StringComparison.Ordinal)..]}" : $"\"{name}\"";
        var parameters = $"({string.Join(' ', components.Select(Quoted))})"
            + (Created is { } created ? $";created={created}" : "") + (Expires is { } expires ? $";expires={expires}" : "") + (KeyId is { } keyId ? $";keyid=\"{keyId}\"" : "")
            + (Algorithm is { } algorithm ? $";alg=\"{algorithm}\"" : "") + (Nonce is { } nonce ? $";nonce=\"{nonce}\"" : "");
        var signed = Encoding.ASCII.GetBytes(string.Concat(components.Select(name => $"{Quoted(name)}: {Value(name)}\n")) + $"\"@signature-params\": {parameters}");
        var signature = KeyId switch
        {
            "curve" => fixture.Curve.SignData(signed, HashAlgorithmName.SHA256),
            "rsa" => fixture.Rsa.SignData(signed, HashAlgorithmName.SHA512, RSASignaturePadding.Pss),
            _ => HMACSHA256.HashData(Secret ?? SignedFixture.SecretOf(KeyId ?? ""), signed),
        };
        return fixture.Backend.Anonymous.SendAsync(method, path, body, [$"Signature-Input: sig1={parameters}", $"Signature: {Label}=:{Convert.ToBase64String(signature)}:", .. digest is null ? Array.Empty<string>() : [$"Content-Digest: {digest}"], .. headers]);
    }
}

/// <summary>An application that takes signed requests.</summary>
public sealed class SignedFixture(PostgresFixture postgres) : IAsyncLifetime
{
    internal TestBackend Backend { get; private set; } = null!;

    public ECDsa Curve { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public RSA Rsa { get; } = RSA.Create(2048);

    public static byte[] SecretOf(string keyId) => SHA256.HashData(Encoding.UTF8.GetBytes(keyId));

    public async ValueTask InitializeAsync() => Backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), backend =>
    {
        backend.Services.AddAuthentication(HttpSignatureExtensions.Scheme).AddHttpSignatures(options =>
        {
            options.Keys.Add(new HttpSignatureKey("acme-0", "acme") { Secret = SecretOf("acme-0"), Roles = ["partner"], ExpiresAt = TimeProvider.System.GetUtcNow().AddDays(-1) });
            options.Keys.Add(new HttpSignatureKey("acme-1", "acme") { Secret = SecretOf("acme-1"), Roles = ["partner"] });
            options.Keys.Add(new HttpSignatureKey("acme-2", "acme") { Secret = SecretOf("acme-2"), Roles = ["partner"] });
            options.Keys.Add(new HttpSignatureKey("curve", "acme") { PublicKey = Curve.ExportSubjectPublicKeyInfoPem(), Roles = ["partner"] });
            options.Keys.Add(new HttpSignatureKey("rsa", "acme") { PublicKey = Rsa.ExportSubjectPublicKeyInfoPem(), Roles = ["partner"] });
        });
        backend.Resource<Parcel>("/v1/parcels").AllowRead(Policy.Role("partner")).AllowCreate(Policy.For<Parcel>((parcel, user) => parcel.OwnerId == user.Id));
    });

    public async ValueTask DisposeAsync()
    {
        Curve.Dispose();
        Rsa.Dispose();
        await (Backend?.DisposeAsync() ?? ValueTask.CompletedTask);
    }
}
