using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using Npgsql;

namespace Mainstay.Internal;

/// <summary>
/// What a server given by <c>ConnectionStrings__mainstay</c> is, found out by one login. Each way this can fail becomes one error that says what to
/// do next. No message contains the connection string: it contains the password.
/// </summary>
internal sealed record ServerConnection(Version Version, string Database, string Role)
{
    private const string Setting = "ConnectionStrings__mainstay";

    public static async Task<ServerConnection> VerifyAsync(string connectionString, CancellationToken cancellation)
    {
        var target = Parse(connectionString);
        try
        {
            await using var source = new NpgsqlDataSourceBuilder(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString).ConfigureTypeLoading(types => types.EnableTypeLoading(false)).Build();
            await using var connection = await source.OpenConnectionAsync(cancellation);
            return await ReadAsync(connection, target, cancellation);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or SocketException or AuthenticationException or IOException or NotSupportedException or InvalidOperationException)
        {
            throw Explain(target, e);
        }
    }

    /// <exception cref="ConfigurationException">MST1130: it is malformed.</exception>
    internal static NpgsqlConnectionStringBuilder Parse(string connectionString)
    {
        NpgsqlConnectionStringBuilder target;
        try
        {
            target = new NpgsqlConnectionStringBuilder(connectionString);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or KeyNotFoundException or InvalidCastException or OverflowException)
        {
            // Not e.Message, which may quote a part of the string, and no inner exception for the same reason.
            throw Malformed(connectionString.StartsWith("postgres", StringComparison.OrdinalIgnoreCase) && connectionString.Contains("://", StringComparison.Ordinal)
                ? "it is a URL" : "it cannot be read as key=value pairs separated by ';'");
        }
        if (string.IsNullOrWhiteSpace(target.Host)) throw Malformed("it names no Host");
        if (string.IsNullOrWhiteSpace(target.Database ?? target.Username)) throw Malformed("it names no Database");
        return target;
    }

    private static async Task<ServerConnection> ReadAsync(NpgsqlConnection connection, NpgsqlConnectionStringBuilder target, CancellationToken cancellation)
    {
        const string sql = """
            select current_setting('server_version_num')::int, current_setting('server_version'), pg_encoding_to_char(encoding), pg_is_in_recovery(),
                   current_setting('default_transaction_read_only')::bool, current_database()::text, current_user::text
            from pg_database where datname = current_database()
            """;
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return Check(Where(target), new ServerFacts(
            reader.GetInt32(0), reader.GetString(1), reader.GetString(2), reader.GetBoolean(3), reader.GetBoolean(4), reader.GetString(5), reader.GetString(6)));
    }

    /// <summary>Refuses a server that answers but is of no use.</summary>
    internal static ServerConnection Check(string where, ServerFacts facts)
    {
        if (facts.Number / 10000 < Binaries.MajorMin)
            throw new ConfigurationException("MST1137", $"The server {where} is PostgreSQL {facts.Version}, expected {Binaries.MajorMin} or newer. Upgrade it, or point {Setting} to another server.");
        if (facts.IsStandby)
            throw new ConfigurationException("MST1138", $"The server {where} is a standby and takes no writes. Point {Setting} to the primary, or list all hosts and add 'Target Session Attributes=primary'.");
        if (facts.IsReadOnly)
            throw new ConfigurationException("MST1138", $"The database '{facts.Database}' {where} is read-only for this role (default_transaction_read_only is on). Switch it off for the role or the database, or use another role.");
        if (facts.Encoding != "UTF8")
            throw new ConfigurationException("MST1139", $"The database '{facts.Database}' {where} has the encoding {facts.Encoding}, expected UTF8. " +
                $"Create another one: create database {Quote(facts.Database + "_utf8")} encoding 'UTF8' template template0");
        return new ServerConnection(new Version(facts.Number / 10000, facts.Number % 10000), facts.Database, facts.Role);
    }

    private static ConfigurationException Explain(NpgsqlConnectionStringBuilder target, Exception e)
    {
        if (e is PostgresException refused) return Explain(target, refused);
        var causes = Causes(e).ToList();
        if (causes.OfType<SocketException>().FirstOrDefault() is { } socket)
            return socket.SocketErrorCode switch
            {
                SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain or SocketError.NoRecovery =>
                    new("MST1134", $"The host name '{target.Host}' in {Setting} is not known here. Correct it, or check the name service (getent hosts {target.Host}).", e),
                SocketError.TimedOut => TimedOut(target, e),
                _ => new("MST1133", $"No server answers {Where(target)}: {socket.Message}. Check that PostgreSQL runs there, that it listens on that address (listen_addresses), and that no firewall is in between.", e),
            };
        if (causes.Any(cause => cause is TimeoutException or OperationCanceledException)) return TimedOut(target, e);
        if (causes.Any(cause => cause is AuthenticationException) || e.Message.Contains("SSL", StringComparison.Ordinal))
            return new("MST1135", $"The server {Where(target)} and {Setting} do not agree about TLS (SSL Mode={target.SslMode}): {causes[^1].Message} " +
                "Set 'SSL Mode=VerifyFull' with 'Root Certificate=…' for a server with TLS, 'SSL Mode=Disable' for one without.", e);
        if (e.Message.Contains("password", StringComparison.OrdinalIgnoreCase))
            return new("MST1131", $"The server {Where(target)} wants a password for the role '{target.Username}', and {Setting} has none. Add 'Password=…' to it.", e);
        return new("MST1141", $"The connection to the server {Where(target)} failed: {causes[^1].Message} Check that it is a PostgreSQL server and see its log.", e);
    }

    private static ConfigurationException Explain(NpgsqlConnectionStringBuilder target, PostgresException e) => e.SqlState switch
    {
        PostgresErrorCodes.InvalidAuthorizationSpecification when e.MessageText.Contains("pg_hba.conf", StringComparison.Ordinal) && e.MessageText.Contains("no encryption", StringComparison.Ordinal) && target.SslMode is not SslMode.Disable =>
            new("MST1135", $"The server {Where(target)} refuses unencrypted connections: {e.MessageText}. Set 'SSL Mode=VerifyFull' with 'Root Certificate=…'.", e),
        PostgresErrorCodes.InvalidAuthorizationSpecification when e.MessageText.Contains("pg_hba.conf", StringComparison.Ordinal) =>
            new("MST1142", $"The server {Where(target)} has no rule that lets the role '{target.Username}' in from here: {e.MessageText}. Add a line to its pg_hba.conf and reload it (select pg_reload_conf()), or try another 'SSL Mode'.", e),
        PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification =>
            new("MST1131", $"The server {Where(target)} refuses the role '{target.Username}': the password is wrong or there is no such role. Correct {Setting}, or as an administrator: " +
                $"create role {Quote(target.Username!)} login password '…'", e),
        PostgresErrorCodes.InvalidCatalogName =>
            new("MST1132", $"The server {Where(target)} has no database '{DatabaseOf(target)}'. As an administrator: create database {Quote(DatabaseOf(target))} owner {Quote(target.Username!)} encoding 'UTF8' template template0", e),
        PostgresErrorCodes.TooManyConnections or PostgresErrorCodes.ConfigurationLimitExceeded =>
            new("MST1140", $"The server {Where(target)} has no connection left: {e.MessageText}. Lower 'Maximum Pool Size' in its clients, raise max_connections, or put a pooler in front.", e),
        PostgresErrorCodes.CannotConnectNow =>
            new("MST1143", $"The server {Where(target)} is not ready: {e.MessageText}. Wait until it has started or recovered, and start again.", e),
        PostgresErrorCodes.InsufficientPrivilege =>
            new("MST1131", $"The role '{target.Username}' may not connect to '{DatabaseOf(target)}' {Where(target)}. As an administrator: grant connect on database {Quote(DatabaseOf(target))} to {Quote(target.Username!)}", e),
        _ => new("MST1141", $"The server {Where(target)} refused the connection: {e.MessageText} ({e.SqlState}). See its log.", e),
    };

    private static ConfigurationException TimedOut(NpgsqlConnectionStringBuilder target, Exception e) => new("MST1136",
        $"The server {Where(target)} did not answer within {target.Timeout} s. Check the address, the port and the firewalls in between; a slow start needs a higher 'Timeout'.", e);

    private static ConfigurationException Malformed(string why) => new("MST1130",
        $"{Setting} is malformed: {why}. Expected: Host=db.example.com;Port=5432;Database=shop;Username=shop;Password=… with values that contain ';' in double quotes.");

    private static IEnumerable<Exception> Causes(Exception e)
    {
        for (Exception? cause = e; cause is not null; cause = cause is AggregateException { InnerExceptions: [var first, ..] } ? first : cause.InnerException) yield return cause;
    }

    private static string DatabaseOf(NpgsqlConnectionStringBuilder target) => target.Database ?? target.Username!;

    private static string Where(NpgsqlConnectionStringBuilder target) => string.Create(CultureInfo.InvariantCulture, $"at {target.Host}:{target.Port}");

    private static string Quote(string name) => name.All(letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter == '_') ? name : "\"" + name.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"";
}

/// <summary>What a server says about itself.</summary>
internal sealed record ServerFacts(int Number, string Version, string Encoding, bool IsStandby, bool IsReadOnly, string Database, string Role);
