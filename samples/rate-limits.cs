#!/usr/bin/env dotnet
#:sdk Microsoft.NET.Sdk.Web
#:project ../src/Mainstay

// Limits on how often each caller may come: of a resource, of one operation, and for bursts and the day together.

using System.ComponentModel.DataAnnotations;
using Mainstay;
using static System.TimeSpan;

var weather = Backend.Create("weather", args);

// All operations of the resource count together.
weather.Resource<Station>("/v1/stations")
    .AllowRead(Policy.Anyone)
    .AllowWrite(Policy.Role("operator"))
    .RateLimit(100, per: FromMinutes(1));

// Both must hold. The names are what clients read in RateLimit-Policy.
weather.Query("GET /v1/forecast", (ForecastFor input) => new Forecast(input.Day, input.Day.DayNumber % 30))
    .Allow(Policy.Anyone)
    .RateLimit(3, per: FromSeconds(10), name: "burst")
    .RateLimit(1000, per: FromDays(1), name: "daily");

// Repeating it under its Idempotency-Key does not count.
weather.Command("POST /v1/stations/register", (Register input, UnitOfWork work) =>
    {
        var station = new Station(Id<Station>.New(), input.Name);
        work.Insert(station);
        return station;
    })
    .Allow(Policy.Role("operator"))
    .RateLimit(10, per: FromHours(1));

// curl -i 'http://localhost:5000/v1/forecast?day=2026-01-31', four times within ten seconds: the last one is 429 with Retry-After.
return await weather.RunAsync();

record Station(Id<Station> Id, [MaxLength(100)] string Name);
record ForecastFor(DateOnly Day);
record Forecast(DateOnly Day, int Celsius);
record Register([MaxLength(100)] string Name);
