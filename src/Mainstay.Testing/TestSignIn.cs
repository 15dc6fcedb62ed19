using System.Collections.Concurrent;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Mainstay.Internal;

/// <summary>The users of a test, each with a credential that nobody could guess, because a node listens where other programs of the machine could call.</summary>
internal sealed class TestUsers
{
    private readonly ConcurrentDictionary<string, User> _byCredential = new();

    public string Add(User user)
    {
        var credential = RandomNumberGenerator.GetHexString(32, lowercase: true);
        _byCredential[credential] = user;
        return $"{TestSignIn.Name} {credential}";
    }

    public User? Find(string credential) => _byCredential.GetValueOrDefault(credential);
}

/// <summary>What the scheme of a test needs to know.</summary>
internal sealed class TestSignInOptions : AuthenticationSchemeOptions
{
    public TestUsers Users { get; set; } = new();
}

/// <summary>
/// An authentication scheme like any other, before that of the application: <c>Authorization: Test …</c> is a user of the test, everything else goes to the scheme
/// that would have had it.
/// </summary>
internal sealed class TestSignIn(IOptionsMonitor<TestSignInOptions> options, ILoggerFactory logger, UrlEncoder encoder) : AuthenticationHandler<TestSignInOptions>(options, logger, encoder)
{
    public const string Name = "Test";

    public static void AddTo(IServiceCollection services, TestUsers users)
    {
        string? own = null;
        services.AddAuthentication().AddScheme<TestSignInOptions, TestSignIn>(Name, options =>
        {
            options.Users = users;
            options.ForwardDefaultSelector = http => IsOurs(http.Request) ? null : own;
        });
        services.PostConfigure<AuthenticationOptions>(options =>
        {
            var others = options.Schemes.Where(scheme => scheme.Name != Name).ToArray();
            own = options.DefaultAuthenticateScheme ?? options.DefaultScheme ?? (others is [var only] ? only.Name : null);
            options.DefaultAuthenticateScheme = Name;
        });
    }

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (!IsOurs(Request))
            return Task.FromResult(AuthenticateResult.NoResult());
        if (Options.Users.Find(Request.Headers.Authorization.ToString()[(Name.Length + 1)..]) is not { } user)
            return Task.FromResult(AuthenticateResult.Fail("There is no such user in this test."));
        Claim[] claims = [new("sub", user.Id), .. user.Roles.Select(role => new Claim("role", role)), .. user.Permissions.Select(permission => new Claim("permission", permission))];
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity(claims, Name)), Name)));
    }

    private static bool IsOurs(HttpRequest request) => request.Headers.Authorization.ToString().StartsWith(Name + " ", StringComparison.Ordinal);
}
