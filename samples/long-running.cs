#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

// A command that takes longer than a caller waits.

using System.ComponentModel.DataAnnotations;
using Mainstay;
using static System.TimeSpan;

var press = Backend.Create("press", args);
var editor = Policy.Role("editor");

press.Resource<Report>("/v1/reports").AllowRead(editor);

// Accepted with 202 and the address of an operation; done afterwards, in one transaction that also keeps the result.
press.Command("POST /v1/reports", async (BuildReport input, UnitOfWork work) =>
    {
        for (var chapter = 1; chapter <= input.Chapters; chapter++)
            await Task.Delay(FromSeconds(2), work.Cancellation);      // ends when the operation is cancelled, or its node stops
        var report = new Report(Id<Report>.New(), input.Title, input.Chapters, work.Now);
        work.Insert(report);
        return report;
    })
    .Allow(editor)
    .LongRunning(within: FromMinutes(10));

// curl -i …/v1/reports … --json '{"title":"Tea","chapters":5}'                          202, Location: /operations/op_…
// curl -i …/v1/reports … --json '{"title":"Tea","chapters":1}' -H 'Prefer: wait=5'      201 when it is done in time
// curl …/operations/op_…                                                                how it stands, and the result
// curl -X POST …/operations/op_…/cancel                                                 and nothing has happened
return await press.RunAsync();

record Report(Id<Report> Id, [MaxLength(100)] string Title, int Chapters, DateTimeOffset BuiltAt);
record BuildReport([MaxLength(100)] string Title, [Range(1, 100)] int Chapters);
