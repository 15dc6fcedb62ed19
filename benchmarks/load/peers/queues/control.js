// What the peers have in common with the programs of Mainstay: they are told over HTTP what to do, and answer with what came of it by their own clock.
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

const patience = 60_000;

class JobsSeen {
  constructor(expected) {
    this.expected = expected;
    this.times = [];
    this.all = new Promise((resolve) => { this.resolve = resolve; });
  }

  // handedInAt: by performance.now().
  add(handedInAt) {
    const now = performance.now();
    this.first ??= now;
    this.last = now;
    if (this.times.push(now - handedInAt) === this.expected) this.resolve();
  }

  async done() {
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${this.times.length} of ${this.expected} jobs were run in ${patience} ms.`)), patience); });
    await Promise.race([this.all, late]);
    clearTimeout(timer);
  }

  answer() {
    if (this.times.length !== this.expected) throw new Error(`${this.times.length} runs of ${this.expected} jobs.`);
    return done(this.expected, (this.last - this.first) / 1000, this.times);
  }
}

function done(count, seconds, times = []) {
  const ordered = Float64Array.from(times).sort();
  const at = (share) => ordered.length ? ordered[Math.floor(ordered.length * share)] : 0;
  return { count, seconds, milliseconds50: at(0.5), milliseconds99: at(0.99) };
}

// queue.fill(count): many at once. queue.add(handedInAt): one, in a commit of its own. queue.work(seen): runs jobs until what it returns is called.
export function serve(queue) {
  const actions = {
    async fill({ count }) {
      const began = performance.now();
      await queue.fill(count);
      return done(count, (performance.now() - began) / 1000);
    },
    async drain({ count }) {
      const seen = new JobsSeen(count);
      const stop = await queue.work((handedInAt) => seen.add(handedInAt));
      await seen.done();
      await stop();
      return seen.answer();
    },
    async enqueue({ writers, seconds }) {
      const began = performance.now();
      const times = [];
      await Promise.all(Array.from({ length: writers }, async () => {
        for (let now = performance.now(); now - began < seconds * 1000;) {
          await queue.add(0);
          const after = performance.now();
          times.push(after - now);
          now = after;
        }
      }));
      return done(times.length, (performance.now() - began) / 1000, times);
    },
    async pickUp({ perSecond, seconds }) {
      const seen = new JobsSeen(perSecond * seconds);
      const stop = await queue.work((handedInAt) => seen.add(handedInAt));
      await pause(500);
      const adding = [];
      for (const began = performance.now(); adding.length < seen.expected; await pause(1))
        while (adding.length < seen.expected && adding.length < (performance.now() - began) / 1000 * perSecond)
          adding.push(queue.add(performance.now()));
      await Promise.all(adding);
      await seen.done();
      await stop();
      return seen.answer();
    },
  };

  http.createServer(async (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    if (url.pathname === '/health/ready') return response.end('ready');
    try {
      const parameters = Object.fromEntries([...url.searchParams].map(([name, value]) => [name, Number(value)]));
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(await actions[url.pathname.slice(1)](parameters)));
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error.stack));
    }
  }).listen(Number(process.env.PORT), '127.0.0.1');
  process.once('SIGTERM', () => process.exit(0));
}
