// Asks a running application everything its OpenAPI document says it understands, and much that it must refuse, and compares every answer with
// the document. It knows the document and nothing else.
//
//   node fuzz.mjs <address or file of the document> [--server address] [--as name=authorization]... [--word text]...
//                 [--seed number] [--rounds number] [--seconds number] [--only operationId] [--persist] [--statuses]
//
// A word is a text worth trying, for example the id of a user whose rows others may not see.
// With --persist what was never successful is tried more often; --statuses lists what each has answered.
// Ends with 1 when the application and its document differ. Every difference comes with a command that repeats the request.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Contract } from './fuzz/contract.mjs';
import { Random } from './fuzz/random.mjs';
import { Requests } from './fuzz/requests.mjs';
import { json, judge, judgeFault, judgeValid } from './fuzz/judge.mjs';
import { Values } from './fuzz/values.mjs';
import { Wire } from './fuzz/wire.mjs';

const differencesShown = 20;
const idsKept = 40;
const tagsKept = 20;
const triesMost = 1000;

const { values: options, positionals: [address] } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: 'string' },
    as: { type: 'string', multiple: true, default: [] },
    word: { type: 'string', multiple: true, default: [] },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    persist: { type: 'boolean', default: false },
    statuses: { type: 'boolean', default: false },
  },
});
if (!address) throw new Error('Name the address of a document, for example http://127.0.0.1:5000/openapi.json.');

const credentials = [
  ...options.as.map(text => ({ name: text.slice(0, text.indexOf('=')), value: text.slice(text.indexOf('=') + 1) })),
  { name: 'nobody', value: undefined },
];
const isFile = !address.startsWith('http');
const contract = new Contract(isFile ? JSON.parse(readFileSync(address, 'utf8')) : await (await fetch(address)).json());
const random = new Random(Number(options.seed));
const known = new Map();
const tags = [];
const requests = new Requests(contract, random, new Values(contract, random, known, options.word), tags);
const wire = new Wire(options.server ?? new URL(address).origin);
const operations = contract.operations.filter(operation => !options.only || operation.id === options.only);
const admitted = new Map(operations.map(operation => [operation, new Set()]));
const succeeded = new Set();
const statuses = new Map(operations.map(operation => [operation, new Set()]));
const differences = new Map();
let sent = 0;

const deadline = options.seconds ? performance.now() + 1000 * Number(options.seconds) : Infinity;
for (let round = 0; options.seconds ? performance.now() < deadline : round < Number(options.rounds); round++)
  // First what makes rows, so that there is something to read, then the rest.
  for (const operation of [...operations].sort((one, other) => rank(one) - rank(other))) {
    for (const credential of round === 0 ? credentials : random.some(credentials, 2)) await askValid(operation, credential);
    for (const fault of random.some(requests.faults(operation), 8)) await askFault(operation, fault);
    await ask(operation, requests.finish(requests.strayed(operation), random.pick(credentials).value), () => []);
    if (round === 0) await askWithWrongCredential(operation);
    await askOptions(operation);
  }
if (options.persist) await persist();
wire.close();
report();

async function askValid(operation, credential) {
  const request = requests.finish(requests.valid(operation), credential.value);
  const answer = await ask(operation, request, judgeValid);
  if (!answer) return;
  if (![401, 403].includes(answer.status)) admitted.get(operation).add(credential);
  if (answer.status < 300) {
    succeeded.add(operation);
    learn(json(answer.body));
    if (answer.headers.etag) tags.push(answer.headers.etag);
    if (tags.length > tagsKept) tags.shift();
    await followLinks(operation, request, answer);
    if (answer.status === 204) forget(`${request.target} ${request.body}`);
  }
  if (operation.method === 'GET') await askHead(operation, request, answer);
  const cursor = json(answer.body)?.meta?.nextCursor;
  if (operation.method === 'GET' && cursor) await ask(operation, { ...request, target: withCursor(request.target, cursor) }, judgeValid);
  if (request.headers['Idempotency-Key'] && credential.value && answer.status < 500) await askAgain(operation, request, answer);
}

/** What depends on others, on luck with values or on the moment gets more tries. What it needs may have been used up, so that is made again. */
async function persist() {
  const makers = operations.filter(operation => operation.method === 'POST' && !operation.path.includes('{') && succeeded.has(operation));
  for (let tries = 0; tries < triesMost && succeeded.size < operations.length; tries++)
    for (const operation of operations.filter(operation => !succeeded.has(operation))) {
      const credential = random.pick(credentials);
      const near = makers.filter(maker => operation.path.startsWith(maker.path));
      if (makers.length > 0) await askValid(random.pick(near.length > 0 && random.chance(0.7) ? near : makers), credential);
      await askValid(operation, credential);
    }
}

/** The next page, which has no number. */
function withCursor(target, cursor) {
  const [path, query = ''] = target.split('?');
  return `${path}?${[...query.split('&').filter(pair => pair && !pair.startsWith('page=')), `cursor=${cursor}`].join('&')}`;
}

async function askFault(operation, fault) {
  const credential = random.pick([...admitted.get(operation), ...credentials.slice(0, 1)]);
  await ask(operation, requests.finish(fault.parts, credential?.value), answer => judgeFault(fault, answer));
}

/** What a document says follows from an answer, here and now: later it may be over. */
async function followLinks(operation, { headers: { Authorization } }, answer) {
  for (const link of random.some(operation.responses[answer.status]?.links ?? [], 2)) {
    const linked = operations.find(other => other.id === link.operationId);
    if (!linked) continue;
    const parts = requests.valid(linked);
    for (const [name, expression] of Object.entries(link.parameters)) parts.path[name] = pointed(json(answer.body), expression);
    const followed = await ask(linked, requests.finish(parts, Authorization), judgeValid);
    if (followed?.status < 300) succeeded.add(linked);
  }
}

function pointed(body, expression) {
  return expression.replace('$response.body#/', '').split('/').reduce((value, name) => value?.[name], body);
}

/** HEAD is GET without the body. Both may see different rows while others write; here nobody else writes. */
async function askHead(operation, request, answer) {
  await ask(operation, { ...request, method: 'HEAD' }, head => ['etag', 'content-type', 'content-encoding', 'content-length', 'cache-control', 'vary', 'link']
    .filter(name => ![head.status, answer.status].includes(429))
    .filter(name => head.status !== answer.status || (answer.status < 300 && head.headers[name] !== answer.headers[name]))
    .map(name => head.status !== answer.status ? `HEAD is answered with ${head.status}, GET with ${answer.status}` : `HEAD has ${name}: ${head.headers[name]}, GET ${answer.headers[name]}`).slice(0, 1));
}

/** The same request with the same key gets the same answer. */
async function askAgain(operation, request, answer) {
  await ask(operation, request, again => again.status === answer.status && (answer.status >= 300 || again.body.equals(answer.body)) ? []
    : [401, 403, 409, 412, 428, 429].includes(answer.status) ? [] : [`a repetition with the same Idempotency-Key is answered with ${again.status}, first with ${answer.status}`]);
}

async function askWithWrongCredential(operation) {
  const request = requests.finish(requests.valid(operation), 'Bearer nobody-has-this-key');
  await ask(operation, request, answer => [400, 401, 429].includes(answer.status) ? [] : [`a wrong credential is answered with ${answer.status}, expected 401`]);
}

async function askOptions(operation) {
  const request = { ...requests.finish(requests.valid(operation)), method: 'OPTIONS', body: undefined };
  const { target } = request;
  await ask(null, { method: 'OPTIONS', target: target.split('?')[0], headers: {} }, answer => {
    const allowed = (answer.headers.allow ?? '').split(',').map(text => text.trim()).filter(Boolean).sort().join(', ');
    const methods = contract.methodsAt(target.split('?')[0]);
    const expected = [...new Set([...methods, 'OPTIONS', ...(methods.includes('GET') ? ['HEAD'] : [])])].sort().join(', ');
    return answer.status === 204 && allowed === expected ? [] : [`OPTIONS ${operation.path} is answered with ${answer.status} and Allow: ${allowed}, expected 204 and ${expected}`];
  });
}

/** Sends a request and notes what is wrong with the answer; null when there is none. */
async function ask(operation, request, judgement) {
  sent++;
  let answer;
  try {
    answer = await wire.send(request);
  } catch (error) {
    note(operation, request, [`no answer: ${error.message}`]);
    return null;
  }
  statuses.get(operation)?.add(answer.status);
  note(operation, request, [...(operation ? judge(contract, operation, request, answer) : []), ...judgement(answer)]);
  return answer;
}

/** Of many alike, one is shown. */
function note(operation, request, findings) {
  for (const finding of findings) {
    const kind = `${operation?.id}: ${finding.replace(/[0-9a-f]{32}|[a-z]+_[0-9a-z]{26}|\d+/g, '#').slice(0, 90)}`;
    if (!differences.has(kind)) differences.set(kind, { operation, finding, command: differences.size < differencesShown ? wire.curl(request) : '', count: 0 });
    differences.get(kind).count++;
  }
}

/** Remembers every id in an answer, the newest ones longest, by the pattern that it has. */
function learn(value) {
  if (typeof value === 'string' && /^[a-z_]+_[0-7][0-9a-z]{25}$/.test(value)) {
    const pattern = `^${value.slice(0, -27)}_[0-7][0-9a-hjkmnp-tv-z]{25}$`;
    const ids = known.get(pattern) ?? [];
    if (!ids.includes(value)) ids.push(value);
    known.set(pattern, ids.slice(-idsKept));
  } else if (value && typeof value === 'object') Object.values(value).forEach(learn);
}

function forget(target) {
  for (const [pattern, ids] of known) known.set(pattern, ids.filter(id => !target.includes(id)));
}

function rank({ method, path }) {
  return { POST: 0, GET: 2, PUT: 3, PATCH: 3, DELETE: 4 }[method] + (path.includes('{') ? 0.5 : 0);
}

function report() {
  const never = operations.filter(operation => !succeeded.has(operation)).map(operation => operation.id);
  console.log(`seed ${options.seed}: ${sent} requests to ${operations.length} operations${never.length > 0 ? `, never successful: ${never.join(', ')}` : ''}`);
  if (options.statuses) for (const [operation, seen] of statuses) console.log(`${operation.id}: ${[...seen].sort().join(' ')}`);
  for (const { operation, finding, command, count } of [...differences.values()].slice(0, differencesShown))
    console.log(`\n${operation?.id ?? 'OPTIONS'}: ${finding}${count > 1 ? ` (${count} times)` : ''}\n  ${command}`);
  if (differences.size > differencesShown) console.log(`\nand ${differences.size - differencesShown} more differences`);
  if (differences.size > 0) {
    console.log(`\n${differences.size} differences between the application and its document. Again: node fuzz.mjs ${address} --seed ${options.seed} with the same options.`);
    process.exitCode = 1;
  }
}
