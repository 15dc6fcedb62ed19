// pg-boss tuned: batches of 500 one behind the other while they come full, woken by NOTIFY, a table of its own for the queue.
import { PgBoss } from 'pg-boss';
import { serve } from './control.js';

const boss = new PgBoss({
  host: process.env.PGHOST, port: Number(process.env.PGPORT), database: process.env.PGDATABASE, user: process.env.PGUSER, password: process.env.PGPASSWORD,
  max: 17, useListenNotify: true,
});
boss.on('error', (error) => console.error(error));
await boss.start();
await boss.createQueue('job', { partition: true, notify: true });

serve({
  async fill(count) {
    for (let at = 0; at < count; at += 1000)
      await boss.insert('job', Array.from({ length: Math.min(1000, count - at) }, () => ({ data: { handedInAt: 0 } })));
  },
  add: (handedInAt) => boss.send('job', { handedInAt }),
  async work(seen) {
    const options = { batchSize: 500, burstWhenBatchFull: true, localConcurrency: 2, pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 };
    await boss.work('job', options, async (jobs) => { for (const { data } of jobs) seen(data.handedInAt); });
    return () => boss.offWork('job', { wait: true });
  },
});
