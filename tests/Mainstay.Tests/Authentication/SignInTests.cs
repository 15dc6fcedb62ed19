namespace Mainstay.Tests;

public sealed class SignInTests(PostgresFixture postgres)
{
    private static void Closed(Backend backend) => backend.Resource<Counter>("/v1/counters").AllowRead(Policy.SignedIn).AllowWrite(Policy.Role("staff"));

    [Fact]
    public async Task Production_does_not_start_when_nobody_could_sign_in()
    {
        var database = await postgres.CreateDatabaseAsync();

        (await TestBackend.RefuseAsync(database, Closed, "--environment", "Production")).ShouldStartWith("MST1009");
        (await TestBackend.RefuseAsync(database, Closed, "--environment", "Production", "--Mainstay:DevelopmentKeys=true")).ShouldStartWith("MST1009");
        (await TestBackend.RefuseAsync(database, backend =>
        {
            TestSignIn.AddTo(backend);
            Closed(backend);
        }, "--environment", "Production", "--Mainstay:DevelopmentKeys=true")).ShouldStartWith("MST1009");
    }

    [Fact]
    public async Task Production_with_a_scheme_starts_and_knows_no_development_keys()
    {
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), declared =>
        {
            TestSignIn.AddTo(declared);
            Closed(declared);
        }, "--environment", "Production", "--Mainstay:Schema=apply");

        backend.Running.DevelopmentKeys.ShouldBeNull();
        (await backend.User("ann").GetAsync("/v1/counters")).Expect(200);
        (await backend.Anonymous.GetAsync("/v1/counters")).Expect(401);
    }

    [Fact]
    public async Task Development_keys_open_nothing_from_another_machine()
    {
        var own = System.Net.Dns.GetHostAddresses(System.Net.Dns.GetHostName()).FirstOrDefault(address => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork && !System.Net.IPAddress.IsLoopback(address));
        Assert.SkipWhen(own is null, "This machine has no address but the loopback's.");
        await using var backend = await TestBackend.StartAsync(await postgres.CreateDatabaseAsync(), Closed, "--urls", "http://0.0.0.0:0");
        var key = backend.Running.DevelopmentKeys!.Keys.Single().Key;
        using var handler = new SocketsHttpHandler();
        using var http = new HttpClient(handler) { BaseAddress = new Uri($"http://{own}:{new Uri(backend.Running.Address).Port}") };

        (await new Caller(http, "Bearer " + key, backend.Logs).GetAsync("/v1/counters")).Expect(401, "unauthenticated").Detail.ShouldContain("this machine");
    }

    [Fact]
    public async Task Development_keys_survive_a_restart_and_can_be_turned_off()
    {
        using var folder = new TemporaryFolder();
        var database = await postgres.CreateDatabaseAsync();
        async Task<string?> KeyAsync(params string[] settings)
        {
            await using var backend = await TestBackend.StartAsync(database, Closed, [$"--Mainstay:DataFolder={folder.Path}", .. settings]);
            return backend.Running.DevelopmentKeys?.Keys.Single().Key;
        }

        var key = await KeyAsync();

        (await KeyAsync()).ShouldBe(key);
        (await KeyAsync("--Mainstay:DevelopmentKeys=false")).ShouldBeNull();
        File.GetUnixFileMode(folder.In("development-keys.json")).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }
}
