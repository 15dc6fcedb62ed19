using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Mainstay.Internal;

/// <summary>
/// Ready-made bearer keys for the roles that an application names, until it has a way to sign in. They exist in development only, are kept in the
/// data folder so that they survive a restart, and are accepted from this machine only.
/// </summary>
internal sealed class DevelopmentKeys
{
    public const string Prefix = "dev_";

    private readonly Dictionary<string, User> _byHash = new(StringComparer.Ordinal);

    private DevelopmentKeys(IReadOnlyList<DevelopmentKey> keys)
    {
        Keys = keys;
        foreach (var key in keys)
            _byHash[Hash(key.Key)] = key.User;
    }

    /// <summary>For each role its key, and one with all permissions that policies name.</summary>
    public IReadOnlyList<DevelopmentKey> Keys { get; }

    /// <summary>Compares hashes, so that the time it takes says nothing about the keys.</summary>
    public User? Find(ReadOnlySpan<char> key) => key.StartsWith(Prefix) ? _byHash.GetValueOrDefault(Hash(key.ToString())) : null;

    public static bool IsLocal(HttpContext http) => (http.Connection.RemoteIpAddress is null || IPAddress.IsLoopback(http.Connection.RemoteIpAddress))
        // Behind a proxy on this machine every caller seems to come from it.
        && !http.Request.Headers.ContainsKey("X-Forwarded-For") && !http.Request.Headers.ContainsKey("Forwarded");

    /// <param name="file">Where the keys are kept.</param>
    /// <param name="policies">All policies of the application.</param>
    /// <exception cref="ConfigurationException">MST1108 or MST1109: the data folder cannot be written.</exception>
    public static DevelopmentKeys LoadOrCreate(string file, IReadOnlyList<Policy> policies)
    {
        try
        {
            return LoadOrCreateIn(file, policies);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first thing a start writes, so the first to meet a folder that cannot be written.
            throw DataFolder.CannotWrite(Path.GetDirectoryName(file)!, e);
        }
    }

    private static DevelopmentKeys LoadOrCreateIn(string file, IReadOnlyList<Policy> policies)
    {
        var stored = Read(file);
        var keys = new List<DevelopmentKey>();
        var permissions = policies.SelectMany(policy => policy.Permissions).Distinct(StringComparer.Ordinal).ToArray();
        foreach (var role in policies.SelectMany(policy => policy.Roles).Distinct(StringComparer.Ordinal))
            keys.Add(new DevelopmentKey(role, Key(role), new User(role + "-1", roles: [role])));
        if (permissions.Length > 0)
            keys.Add(new DevelopmentKey("permissions", Key("permissions"), new User("permissions-1", permissions: permissions)));
        if (keys.Count == 0 && policies.Any(policy => policy.Resolve(User.Anonymous, policy.RowTypes.FirstOrDefault()) == Predicate.Never))
            keys.Add(new DevelopmentKey("user", Key("user"), new User("user-1")));
        Write(file, stored);
        return new DevelopmentKeys(keys);

        string Key(string name) => stored.TryGetValue(name, out var key) ? key : stored[name] = $"{Prefix}{name.Replace(' ', '-')}_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(18))}";
    }

    private static Dictionary<string, string> Read(string file)
    {
        try
        {
            return File.Exists(file) ? JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(file)) ?? [] : [];
        }
        catch (JsonException)
        {
            return []; // a half-written file; new keys are made and printed
        }
    }

    private static void Write(string file, Dictionary<string, string> keys)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        var temporary = $"{file}.{Environment.ProcessId}";
        using (var stream = new FileStream(temporary, OperatingSystem.IsWindows()
            ? new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write }
            : new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
            JsonSerializer.Serialize(stream, keys);
        File.Move(temporary, file, overwrite: true);
    }

    private static string Hash(string key) => Convert.ToHexString(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(key)));
}

/// <summary>A bearer key of a development start.</summary>
/// <param name="Name">The role it has.</param>
/// <param name="Key">What is sent.</param>
/// <param name="User">Who it is.</param>
internal sealed record DevelopmentKey(string Name, string Key, User User);
