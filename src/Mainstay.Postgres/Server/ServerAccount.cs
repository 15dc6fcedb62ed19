using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Mainstay.Internal;

/// <summary>The account that runs PostgreSQL: ourselves, or an unprivileged one when we are root, because PostgreSQL refuses root.</summary>
internal sealed class ServerAccount
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly string[] prefix;

    private ServerAccount(string name, uint userId, uint groupId, string[] prefix) => (Name, UserId, GroupId, this.prefix) = (name, userId, groupId, prefix);

    public string Name { get; }
    public uint UserId { get; }
    public uint GroupId { get; }

    /// <summary>Whether PostgreSQL runs as somebody else than this process.</summary>
    public bool IsOther => prefix.Length > 0;

    /// <summary>Chooses the account and proves that this process can start programs as it.</summary>
    public static async Task<ServerAccount> ChooseAsync(string? wanted, CancellationToken cancellation)
    {
        var own = geteuid();
        if (own != 0) return new ServerAccount(Environment.UserName, own, getegid(), []);

        string[] names = wanted is null ? ["postgres", "nobody"] : [wanted];
        foreach (var name in names)
        {
            if (await IdAsync("-u", name, cancellation) is not { } userId || await IdAsync("-g", name, cancellation) is not { } groupId) continue;
            if (userId == 0) throw new ConfigurationException("MST1110", $"Account '{name}' is root, but PostgreSQL refuses to run as root. Name an unprivileged account, or leave Account unset.");

            List<string> refusals = [];
            foreach (var prefix in Switches(name, userId, groupId))
            {
                var account = new ServerAccount(name, userId, groupId, prefix);
                var result = await Command.RunAsync(account.Prepare("id", ["-u"]), Patience, cancellation);
                if (result.Succeeded && result.Output.Trim() == userId.ToString(CultureInfo.InvariantCulture)) return account;
                refusals.Add($"{prefix[0]}: {result.Reason}");
            }
            throw new ConfigurationException("MST1111",
                $"This application runs as root, PostgreSQL refuses root, and no program could switch to the account '{name}':\n  {string.Join("\n  ", refusals)}\n" +
                "Run the application as an ordinary user, or install util-linux (setpriv), or give the container the SETUID and SETGID capabilities.");
        }
        throw new ConfigurationException("MST1110",
            $"This application runs as root, PostgreSQL refuses root, and there is no account {string.Join(" or ", names.Select(name => $"'{name}'"))} to run it as. " +
            "Create one (useradd --system postgres), or run the application as an ordinary user.");
    }

    /// <summary>A command that runs as the account with a clean environment: no LD_PRELOAD, no PG* variables, no secrets of the application.</summary>
    public ProcessStartInfo Prepare(string program, IEnumerable<string> arguments, string? folder = null)
    {
        string[] line = [.. prefix, program, .. arguments];
        var start = new ProcessStartInfo(line[0], line[1..]) { WorkingDirectory = folder ?? "/" };
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        start.Environment["LC_ALL"] = "C";
        return start;
    }

    /// <summary>Hands a file or folder to the account.</summary>
    public void Own(string path)
    {
        if (IsOther && lchown(path, UserId, GroupId) != 0)
            throw new ConfigurationException("MST1108", $"'{path}' cannot be given to the account '{Name}': {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}. " +
                "Use a data folder on a file system with Unix owners.");
    }

    public async Task<bool> CanEnterAsync(string folder, CancellationToken cancellation) =>
        !IsOther || (await Command.RunAsync(Prepare("test", ["-x", folder]), Patience, cancellation)).Succeeded;

    /// <summary>The user id that owns a path, which the BCL does not tell; <c>ls -ldn</c> is the same on every Unix.</summary>
    public static async Task<uint?> OwnerOfAsync(string path, CancellationToken cancellation)
    {
        var result = await Command.RunAsync(Command.Of("ls", "-ldn", path), Patience, cancellation);
        var columns = result.Output.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return result.Succeeded && columns.Length > 2 && uint.TryParse(columns[2], CultureInfo.InvariantCulture, out var owner) ? owner : null;
    }

    private static IEnumerable<string[]> Switches(string name, uint userId, uint groupId) =>
    [
        ["setpriv", $"--reuid={userId}", $"--regid={groupId}", "--clear-groups", "--inh-caps=-all", "--"],
        ["runuser", "-u", name, "--"],
        ["su", "-s", "/bin/sh", name, "-c", "exec \"$0\" \"$@\"", "--"],
        ["su", "-s", "/bin/sh", name, "-c", "exec \"$0\" \"$@\""],           // BusyBox passes a '--' on to the shell
    ];

    private static async Task<uint?> IdAsync(string which, string name, CancellationToken cancellation)
    {
        var result = await Command.RunAsync(Command.Of("id", which, name), Patience, cancellation);
        return result.Succeeded && uint.TryParse(result.Output.Trim(), CultureInfo.InvariantCulture, out var id) ? id : null;
    }

    [DllImport("libc"), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern uint geteuid();

    [DllImport("libc"), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern uint getegid();

    [DllImport("libc", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int lchown([MarshalAs(UnmanagedType.LPUTF8Str)] string path, uint owner, uint group);
}
