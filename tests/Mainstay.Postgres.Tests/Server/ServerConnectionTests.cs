using System.Net;
using System.Net.Sockets;
using Mainstay.Internal;
using Npgsql;

namespace Mainstay.Tests;

public sealed class ServerConnectionTests(PostgresFixture postgres)
{
    private const string Secret = "Tr0ub4dor-secret";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_good_server_is_described()
    {
        var connection = await ServerConnection.VerifyAsync(await postgres.CreateDatabaseAsync(), Cancellation);

        connection.Role.ShouldBe("mainstay");
        connection.Database.ShouldStartWith("test_");
        connection.Version.Major.ShouldBeGreaterThanOrEqualTo(15);
    }

    [Theory]
    [InlineData("postgres://shop:Tr0ub4dor-secret@localhost/shop", "it is a URL")]
    [InlineData("Host=localhost;Database=shop;Pasword=Tr0ub4dor-secret", "cannot be read")]
    [InlineData("Host=localhost;Port=many;Password=Tr0ub4dor-secret", "cannot be read")]
    [InlineData("Database=shop;Password=Tr0ub4dor-secret", "no Host")]
    [InlineData("", "no Host")]
    public async Task A_malformed_string_is_explained_without_repeating_it(string connectionString, string reason)
    {
        var message = await FailAsync(connectionString);

        message.ShouldStartWith("MST1130");
        message.ShouldContain(reason);
    }

    [Fact]
    public async Task A_wrong_password_and_a_missing_role_are_the_same_mistake()
    {
        (await FailAsync(With(target => target.Password = Secret))).ShouldStartWith("MST1131");
        (await FailAsync(With(target => (target.Username, target.Password) = ("nobody_here", Secret)))).ShouldContain("create role nobody_here login");
        (await FailAsync(With(target => target.Password = null))).ShouldStartWith("MST1131");
    }

    [Fact]
    public async Task A_missing_database_comes_with_the_command_that_creates_it() =>
        (await FailAsync(With(target => target.Database = "Web Shop"))).ShouldContainAll("MST1132", "create database \"Web Shop\" owner mainstay");

    [Fact]
    public async Task A_port_where_nobody_listens_is_named()
    {
        // Taken, so that nobody else comes to listen there.
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var port = ((IPEndPoint)taken.LocalEndPoint!).Port;

        (await FailAsync($"Host=127.0.0.1;Port={port};Database=shop;Username=shop;Password={Secret}")).ShouldContainAll("MST1133", $"127.0.0.1:{port}");
        (await FailAsync($"Host=/nowhere;Database=shop;Username=shop;Password={Secret}")).ShouldContain("MST1133");
    }

    [Fact]
    public async Task An_unknown_host_is_named() =>
        (await FailAsync($"Host=no-such-host.invalid;Database=shop;Username=shop;Password={Secret}")).ShouldContainAll("MST1134", "no-such-host.invalid");

    [Fact]
    public async Task A_server_without_TLS_and_a_string_that_wants_it_are_told_apart()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var server = AnswerAsync(listener, "N"u8.ToArray());

        var message = await FailAsync($"Host=127.0.0.1;Port={((IPEndPoint)listener.LocalEndpoint).Port};Database=shop;Username=shop;Password={Secret};SSL Mode=Require;GSS Encryption Mode=Disable");

        message.ShouldContainAll("MST1135", "SSL Mode=Require");
        await server;
    }

    [Fact]
    public async Task A_server_that_never_answers_is_a_timeout()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();

        (await FailAsync($"Host=127.0.0.1;Port={((IPEndPoint)listener.LocalEndpoint).Port};Database=shop;Username=shop;Password={Secret};Timeout=1")).ShouldContainAll("MST1136", "within 1 s");
    }

    [Fact]
    public async Task Something_that_is_not_PostgreSQL_is_not_called_a_wrong_password()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var server = AnswerAsync(listener, "HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());

        var message = await FailAsync($"Host=127.0.0.1;Port={((IPEndPoint)listener.LocalEndpoint).Port};Database=shop;Username=shop;Password={Secret};SSL Mode=Disable;GSS Encryption Mode=Disable;Timeout=60");

        message.ShouldStartWith("MST1141");
        await server;
    }

    [Fact]
    public async Task Another_encoding_is_refused()
    {
        var name = await CreateAsync("create database {0} owner mainstay encoding 'SQL_ASCII' template template0 locale 'C'");

        (await FailAsync(With(target => target.Database = name))).ShouldContainAll("MST1139", "SQL_ASCII");
    }

    [Fact]
    public async Task A_read_only_database_is_refused()
    {
        var name = await CreateAsync("create database {0} owner mainstay");
        await RunAsync($"alter database {name} set default_transaction_read_only = on");

        (await FailAsync(With(target => target.Database = name))).ShouldStartWith("MST1138");
    }

    [Fact]
    public async Task A_server_without_free_connections_is_named()
    {
        var name = await CreateAsync("create database {0} owner mainstay connection limit 0");

        (await FailAsync(With(target => target.Database = name))).ShouldStartWith("MST1140");
    }

    [Fact]
    public void Old_servers_and_standbys_are_refused()
    {
        var good = new ServerFacts(150018, "15.18", "UTF8", IsStandby: false, IsReadOnly: false, "shop", "shop");

        ServerConnection.Check("at db:5432", good).Version.ShouldBe(new Version(15, 18));
        Should.Throw<ConfigurationException>(() => ServerConnection.Check("at db:5432", good with { Number = 140011, Version = "14.11" })).Message.ShouldContainAll("MST1137", "14.11");
        Should.Throw<ConfigurationException>(() => ServerConnection.Check("at db:5432", good with { IsStandby = true })).Code.ShouldBe("MST1138");
    }

    private string With(Action<NpgsqlConnectionStringBuilder> change)
    {
        var target = new NpgsqlConnectionStringBuilder(postgres.Server.ConnectionString);
        change(target);
        return target.ConnectionString;
    }

    private static async Task<string> FailAsync(string connectionString)
    {
        var e = await Should.ThrowAsync<ConfigurationException>(() => ServerConnection.VerifyAsync(connectionString, Cancellation));
        e.ToString().ShouldNotContain(Secret);
        return e.Message;
    }

    private static async Task AnswerAsync(TcpListener listener, byte[] answer)
    {
        using var client = await listener.AcceptTcpClientAsync(Cancellation);
        var buffer = new byte[8];
        await client.GetStream().ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, Cancellation);
        await client.GetStream().WriteAsync(answer, Cancellation);
        await client.GetStream().ReadAtLeastAsync(buffer, 1, throwOnEndOfStream: false, Cancellation);
    }

    private async Task<string> CreateAsync(string sql)
    {
        var name = $"test_{System.Security.Cryptography.RandomNumberGenerator.GetHexString(12, lowercase: true)}";
        await RunAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, sql, name));
        return name;
    }

    private async Task RunAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(postgres.Server.AdministratorConnectionString);
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancellation);
    }
}

internal static class TextAssertions
{
    public static void ShouldContainAll(this string text, params string[] parts)
    {
        foreach (var part in parts) text.ShouldContain(part);
    }
}
