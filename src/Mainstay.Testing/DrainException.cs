namespace Mainstay;

/// <summary>Work does not come to an end, or died. The message lists it, with the last error of each.</summary>
public sealed class DrainException : Exception
{
    internal DrainException(string message) : base(message)
    {
    }
}
