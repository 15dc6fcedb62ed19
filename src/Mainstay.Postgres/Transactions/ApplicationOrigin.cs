using System.Diagnostics;

namespace Mainstay.Internal;

/// <summary>What is recorded outside of any unit of work, as far as the trace knows.</summary>
internal static class ApplicationOrigin
{
    public static Origin Here() => Activity.Current is { } activity
        ? new Origin(activity.DisplayName, "application", null, activity.Id, null, activity.TraceId.ToHexString())
        : new Origin("application", "application", null, null, null, null);
}
