// graphile-worker with the settings of its own performance test: jobs are fetched 500 at once and completed together.
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { serve } from './control.js';

const logger = new Logger(() => () => {});
const pgPool = new pg.Pool({ max: 17 });
pgPool.on('error', (error) => console.error(error));
pgPool.on('connect', (client) => client.on('error', (error) => console.error(error)));
const utils = await makeWorkerUtils({ pgPool, logger });
await utils.migrate();

serve({
  async fill(count) {
    for (let at = 0; at < count; at += 1000)
      await utils.addJobs(Array.from({ length: Math.min(1000, count - at) }, () => ({ identifier: 'job', payload: { handedInAt: 0 } })));
  },
  add: (handedInAt) => utils.addJob('job', { handedInAt }),
  async work(seen) {
    const runner = await run({
      pgPool,
      taskList: { job: async ({ handedInAt }) => { seen(handedInAt); } },
      noHandleSignals: true,
      preset: { worker: { logger, concurrentJobs: 24, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    });
    return () => runner.stop();
  },
});
