using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.NoEmit;

// The hot parts of a request, each alone. From the root of the repository:
//   dotnet run -c Release --project benchmarks/micro                               all of them, about two minutes
//   dotnet run -c Release --project benchmarks/micro -- --filter '*Cursor*'        some of them
// Short runs in this process: right for "did this get slower or allocate more", too coarse for single nanoseconds.

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args is [] ? ["--filter", "*"] : args,
    DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessNoEmitToolchain.Instance)).WithArtifactsPath(Path.Combine(AppContext.BaseDirectory, "results")));
