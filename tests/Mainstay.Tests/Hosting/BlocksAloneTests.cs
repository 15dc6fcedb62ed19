using Mainstay.Internal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Mainstay.Tests;

/// <summary>Each block starts itself and nothing else.</summary>
public sealed class BlocksAloneTests(PostgresFixture postgres)
{
    [Fact]
    public void Idempotency_registers_the_schema_step_and_the_sweeper()
    {
        var services = new ServiceCollection();

        services.AddIdempotency();

        HostedServices(services).ShouldBe(["BlockSchema", "ReceiptSweeper"]);
        services.ShouldNotContain(service => service.ServiceType == typeof(Outbox) || service.ServiceType == typeof(JobDesk));
    }

    [Fact]
    public void An_outbox_registers_the_schema_step_and_the_dispatcher()
    {
        var services = new ServiceCollection();

        services.AddOutbox(outbox => outbox.Event<Placed>("order.placed"));

        HostedServices(services).ShouldBe(["BlockSchema", "QueueService"]);
        services.ShouldNotContain(service => service.ServiceType == typeof(Receipts) || service.ServiceType == typeof(IdempotencyEndpoint));
    }

    [Fact]
    public void Two_blocks_prepare_their_database_once()
    {
        var services = new ServiceCollection();

        services.AddIdempotency().AddOutbox(_ => { });

        HostedServices(services).Count(name => name == "BlockSchema").ShouldBe(1);
    }

    [Fact]
    public async Task Only_the_schema_mainstay_is_created()
    {
        var connectionString = await postgres.CreateDatabaseAsync();
        await using (await PlainApplication.StartAsync(connectionString, services => services.AddIdempotency()))
        {
        }

        await using var source = NpgsqlDataSource.Create(connectionString);
        (await source.ScalarAsync<string[]>("select array_agg(distinct schemaname::text) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")).ShouldBe(["mainstay"]);
    }

    [Fact]
    public async Task Outside_development_a_missing_schema_stops_the_start()
    {
        var connectionString = await postgres.CreateDatabaseAsync();
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = "Production" });
        builder.Services.AddLogging().AddIdempotency(new IdempotencyOptions { ConnectionString = connectionString });
        using var host = builder.Build();

        var mistake = await Should.ThrowAsync<ConfigurationException>(() => host.StartAsync(TestContext.Current.CancellationToken));

        mistake.Code.ShouldBe("MST1502");
    }

    [Fact]
    public async Task Without_any_database_the_start_says_how_to_name_one()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddLogging().AddOutbox(_ => { });
        using var host = builder.Build();

        var mistake = await Should.ThrowAsync<ConfigurationException>(() => host.StartAsync(TestContext.Current.CancellationToken));

        mistake.Code.ShouldBe("MST2104");
        mistake.Message.ShouldContain("QueueOptions.ConnectionString");
    }

    [Fact]
    public async Task The_data_source_of_the_application_is_used_and_left_open()
    {
        await using var source = NpgsqlDataSource.Create(await postgres.CreateDatabaseAsync());
        await using (await PlainApplication.StartAsync("Host=nowhere.invalid;Database=none", services => services.AddSingleton(source).AddOutbox(_ => { })))
        {
        }

        (await source.ScalarAsync<long>("select count(*) from mainstay.jobs")).ShouldBe(0);
    }

    [Fact]
    public void All_mistakes_in_options_are_reported_together()
    {
        var idempotency = Should.Throw<ConfigurationException>(() => new ServiceCollection().AddIdempotency(new IdempotencyOptions { Lifetime = TimeSpan.Zero, Wait = TimeSpan.Zero }));
        var outbox = Should.Throw<ConfigurationException>(() => new ServiceCollection().AddOutbox(_ => { }, new QueueOptions { Workers = -1, PollInterval = TimeSpan.Zero }));

        idempotency.Message.ShouldContain("IdempotencyOptions.Lifetime is 00:00:00");
        idempotency.Message.ShouldContain("IdempotencyOptions.Wait is 00:00:00");
        outbox.Message.ShouldContain("QueueOptions.Workers is -1");
        outbox.Message.ShouldContain("QueueOptions.PollInterval is 00:00:00");
    }

    private static List<string> HostedServices(IServiceCollection services) =>
        [.. services.Where(service => service.ServiceType == typeof(IHostedService)).Select(service => (service.ImplementationType ?? service.ImplementationFactory!.Method.ReturnType).Name)];

    private sealed record Placed(string Product);
}
