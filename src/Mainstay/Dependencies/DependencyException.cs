using System.Globalization;
using System.Net;

namespace Mainstay;

/// <summary>A dependency has refused a call, or could not answer it. Thrown from a handler it makes the run fail, which is tried again as its retries say.</summary>
public sealed class DependencyException : Exception
{
    internal DependencyException(string dependency, HttpStatusCode status, string body)
        : base(string.Create(CultureInfo.InvariantCulture, $"'{dependency}' answered {(int)status}: {(body.Length <= 500 ? body : body[..500])}"))
    {
        Dependency = dependency;
        Status = (int)status;
        Body = body;
    }

    /// <summary>The name of the dependency.</summary>
    public string Dependency { get; }

    /// <summary>The HTTP status of its answer.</summary>
    public int Status { get; }

    /// <summary>What it answered, perhaps a problem document; at most 4000 characters.</summary>
    public string Body { get; }
}
