using System.Buffers.Binary;
using System.Text;

namespace Mainstay.Benchmarks;

/// <summary>A statement as it was sent.</summary>
/// <param name="Sql">With parameters <c>$1</c>, <c>$2</c> …</param>
/// <param name="Parameters">Their values.</param>
internal sealed record WireStatement(string Sql, WireParameter[] Parameters);

/// <summary>A value as it was sent.</summary>
/// <param name="Type">The number of its type, 0 when PostgreSQL is left to find it out.</param>
/// <param name="IsBinary">Whether it is in the binary form of the type, or in its text form.</param>
/// <param name="Value">Null is null.</param>
internal sealed record WireParameter(uint Type, bool IsBinary, byte[]? Value);

/// <summary>Reads what a client says to PostgreSQL (protocol 3.0): statements (Parse), their values (Bind), and where a transaction ends (Sync).</summary>
internal sealed class WireReader(Action<WireStatement[]> pipelineEnded)
{
    private const int Protocol3 = 3 << 16;

    private readonly List<byte> _pending = [];
    private readonly Dictionary<string, (string Sql, uint[] Types)> _statements = [];
    private readonly List<WireStatement> _pipeline = [];
    private bool _isStarted;

    public void Read(ReadOnlySpan<byte> bytes)
    {
        _pending.AddRange(bytes);
        var all = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_pending);
        var at = 0;
        // The first messages have no type: requests for encryption, then the start itself.
        while (all.Length - at >= (_isStarted ? 5 : 8))
        {
            var head = _isStarted ? 1 : 0;
            var length = BinaryPrimitives.ReadInt32BigEndian(all[(at + head)..]);
            if (all.Length - at < head + length)
                break;
            if (_isStarted)
                See((char)all[at], new Fields(all.Slice(at + 5, length - 4)));
            else
                _isStarted = BinaryPrimitives.ReadInt32BigEndian(all[(at + 4)..]) == Protocol3;
            at += head + length;
        }
        _pending.RemoveRange(0, at);
    }

    private void See(char type, Fields fields)
    {
        switch (type)
        {
            case 'P':
                var (name, sql) = (fields.Text(), fields.Text());
                var types = new uint[fields.Int16()];
                for (var i = 0; i < types.Length; i++)
                    types[i] = (uint)fields.Int32();
                _statements[name] = (sql, types);
                break;
            case 'B':
                fields.Text(); // the portal
                var statement = _statements[fields.Text()];
                var formats = new bool[fields.Int16()];
                for (var i = 0; i < formats.Length; i++)
                    formats[i] = fields.Int16() == 1;
                var parameters = new WireParameter[fields.Int16()];
                for (var i = 0; i < parameters.Length; i++)
                    parameters[i] = new(i < statement.Types.Length ? statement.Types[i] : 0, formats.Length switch { 0 => false, 1 => formats[0], _ => formats[i] }, fields.Bytes());
                _pipeline.Add(new WireStatement(statement.Sql, parameters));
                break;
            case 'S':
                pipelineEnded([.. _pipeline]);
                _pipeline.Clear();
                break;
        }
    }

    private ref struct Fields(ReadOnlySpan<byte> rest)
    {
        private ReadOnlySpan<byte> _rest = rest;

        public string Text()
        {
            var end = _rest.IndexOf((byte)0);
            var text = Encoding.UTF8.GetString(_rest[..end]);
            _rest = _rest[(end + 1)..];
            return text;
        }

        public short Int16() => BinaryPrimitives.ReadInt16BigEndian(Take(2));

        public int Int32() => BinaryPrimitives.ReadInt32BigEndian(Take(4));

        public byte[]? Bytes() => Int32() is >= 0 and var length ? Take(length).ToArray() : null;

        private ReadOnlySpan<byte> Take(int length)
        {
            var taken = _rest[..length];
            _rest = _rest[length..];
            return taken;
        }
    }
}
