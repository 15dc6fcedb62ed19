namespace Mainstay;

/// <summary>A check has found something. The message says what, and with which request.</summary>
public sealed class CheckException : Exception
{
    internal CheckException(string message) : base(message)
    {
    }
}
