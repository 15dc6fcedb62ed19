using System.Text.Json;
using Mainstay.Internal;

namespace Mainstay.Tests;

/// <summary>
/// Ways through random definitions, in which whatever is on its way ends in any order and in any manner. Each step of the way begins from what would be stored, as after a crash.
/// </summary>
public sealed class SagaWalkTests
{
    [Fact]
    public void Every_way_ends_and_what_was_done_is_undone_once_and_in_reverse_or_not_at_all()
    {
        for (var seed = 0; seed < 2000; seed++)
            new Traveller(seed).Go();
    }

    private sealed class Traveller(int seed)
    {
        private readonly Random _random = new(seed);
        private readonly SagaModel _model = new(new QueueModel());
        private readonly List<string> _done = [];
        private readonly List<string> _undone = [];
        private SagaDefinition _definition = null!;
        private int _names;

        public void Go()
        {
            _definition = _model.Declare<Start>("saga", 1);
            var declaration = new SagaDeclaration<Start>(_model, _definition).By(start => start.Key);
            Declare(declaration, depth: 0);
            declaration.Step("last", (UnitOfWork work) => Task.CompletedTask);
            _model.Compile(static _ => false).ShouldBeEmpty($"seed {seed}");

            var state = SagaState.Beginning;
            SagaStatus? outcome = null;
            var moves = 0;
            var walk = Walk(state);
            walk.Begin();
            while ((outcome = walk.Outcome) is null)
            {
                walk.State.Pending.ShouldNotBeEmpty($"seed {seed}: it is open and has no job");
                (++moves).ShouldBeLessThan(1000, $"seed {seed}: it does not end");
                walk = Walk(Stored(walk.State));
                Move(walk);
            }
            Judge(walk, outcome.Value);
        }

        private void Declare(SagaDeclaration<Start> saga, int depth)
        {
            for (var count = _random.Next(1, 4); count > 0; count--)
                switch (_random.Next(depth < 2 ? 5 : 3))
                {
                    case 0 or 1:
                        Step(saga);
                        break;
                    case 2 when _definition.Items.TrueForAll(item => item is not SagaWait):
                        saga.Wait<Signal>(Name("wait"), signal => signal.Key, TimeSpan.FromHours(1), _random.Next(2) == 0 ? SagaLate.Compensate : SagaLate.Continue);
                        break;
                    case 3:
                        saga.Together(together =>
                        {
                            for (var steps = _random.Next(1, 4); steps > 0; steps--)
                                Step(together);
                        });
                        break;
                    case 4:
                        var side = _random.Next(2) == 0;
                        saga.When(Name("branch"), (Start start) => side, then => Declare(then, depth + 1), otherwise => Declare(otherwise, depth + 1));
                        break;
                }
        }

        private void Step(SagaDeclaration<Start> saga)
        {
            var undo = _random.Next(4) == 0 ? null : (Delegate)((Outbound outbound) => Task.CompletedTask);
            var isKnown = undo is null || _random.Next(3) > 0;
            saga.Step(Name("step"), (Outbound outbound) => Task.CompletedTask, undo, isKnown ? null : step => step.UndoIfUnknown());
        }

        private string Name(string kind) => $"{kind} {++_names}";

        /// <summary>Lets something happen.</summary>
        private void Move(SagaWalk walk)
        {
            var owed = walk.State.Pending[_random.Next(walk.State.Pending.Count)];
            var part = _definition.PartOf(owed.Part);
            if (!walk.HasTurned && _random.Next(25) == 0)
            {
                // Somebody turns it, and takes away some of what is on its way.
                walk.Turn("somebody", [.. walk.Others(Guid.Empty).Where(_ => _random.Next(2) == 0).Select(job => new Withdrawn(job, _random.Next(2)))]);
                Learn(walk);
                return;
            }
            switch (part)
            {
                case SagaStepPart { IsUndo: true }:
                    _undone.Add(owed.Item);
                    walk.Undone((SagaStep)part.Item, owed.Job);
                    break;
                case SagaTimerPart when walk.HasTurned:
                    walk.Turn("late", [new Withdrawn(owed.Job, 0)]);
                    break;
                case SagaTimerPart when _random.Next(2) == 0:
                    walk.Received((SagaWait)part.Item, JsonSerializer.SerializeToElement(new { key = "k" })).ShouldBeTrue();
                    walk.EndWait(owed.Job);
                    break;
                case SagaTimerPart when ((SagaWait)part.Item).Late == SagaLate.Continue:
                    walk.TimedOut((SagaWait)part.Item, owed.Job);
                    break;
                case SagaTimerPart:
                    walk.Turn("late", [new Withdrawn(owed.Job, 0)]);
                    break;
                case SagaStepPart when _random.Next(10) == 0:
                    var isRefusal = _random.Next(2) == 0;
                    walk.Failed((SagaStep)part.Item, owed.Job, "it failed", isRefusal);
                    walk.Turn("failed", []);
                    break;
                default:
                    _done.Add(owed.Item);
                    walk.Done((SagaStep)part.Item, owed.Job, null);
                    break;
            }
            walk.Expects(owed.Job).ShouldBeFalse($"seed {seed}");
            Learn(walk);
        }

        /// <summary>What failed and is undone to be sure counts as done.</summary>
        private void Learn(SagaWalk walk)
        {
            foreach (var entry in walk.State.Log.Where(entry => entry.Event == SagaEvent.Failed && !_done.Contains(entry.Item!)))
                if (_definition.Find(entry.Item) is SagaStep { UndoIfUnknown: true })
                    _done.Add(entry.Item!);
        }

        private void Judge(SagaWalk walk, SagaStatus outcome)
        {
            walk.State.Pending.ShouldBeEmpty();
            if (outcome == SagaStatus.Completed)
            {
                walk.HasTurned.ShouldBeFalse($"seed {seed}");
                _undone.ShouldBeEmpty($"seed {seed}");
                _done.Contains("last").ShouldBeTrue($"seed {seed}");
                return;
            }
            var order = walk.State.Log.Where(entry => entry.Event is SagaEvent.Done or SagaEvent.Failed).Select(entry => entry.Item!).ToList();
            var expected = _done.Where(name => _definition.Find(name) is SagaStep { Undo: not null }).OrderByDescending(order.LastIndexOf);
            _undone.ShouldBe(expected, ignoreOrder: false, $"seed {seed}");
        }

        private SagaWalk Walk(SagaState state) => new(_definition, state, new Start("k"), DateTimeOffset.UnixEpoch);

        private static SagaState Stored(SagaState state) => (SagaState)StoredJson.Read(typeof(SagaState), StoredJson.Write(state))!;
    }

    private sealed record Start(string Key);

    private sealed record Signal(string Key);
}
