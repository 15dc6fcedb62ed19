// A client of the shop as its users would write one: types from the checked-in contract, and not one cast.
// node generated/client.mjs <address> <key of a customer> <key of staff>
import createClient from 'openapi-fetch';
import type { operations, paths } from './generated/shop.js';

declare const process: { readonly argv: readonly string[] };

/** The codes that an operation documents, and none besides. */
type CodesOf<Operation extends keyof operations> = {
  [Status in Exclude<keyof operations[Operation]['responses'], 'default'>]: operations[Operation]['responses'][Status] extends { content: { 'application/problem+json': { code: infer Code } } } ? Code : never;
}[Exclude<keyof operations[Operation]['responses'], 'default'>];

const [, , baseUrl = '', customerKey = '', staffKey = ''] = process.argv;
// Lists in the query are separated by commas, which the contract says and openapi-fetch must be told.
const options = { baseUrl, querySerializer: { array: { style: 'form', explode: false } } } as const;
const anyone = createClient<paths>(options);
const customer = createClient<paths>({ ...options, headers: { Authorization: `Bearer ${customerKey}` } });
const staff = createClient<paths>({ ...options, headers: { Authorization: `Bearer ${staffKey}` } });

function expect<T>(actual: T, expected: T, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)}, expected ${String(expected)}`);
}

function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`${what} is missing`);
  return value;
}

/** Every product of a list, page by page. */
async function* dearTea() {
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const { data, error } = await anyone.GET('/v1/products', {
      params: { query: { 'category.in': ['tea', 'cocoa'], 'price.gte': 60, sort: '-price', pageSize: 100, ...(cursor === undefined ? {} : { cursor }) } },
    });
    if (error) throw new Error(`${error.code}: ${error.detail}`);
    yield* data.data;
    cursor = data.meta.nextCursor;
  }
}

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

const seen = new Set<string>();
let last = Number.POSITIVE_INFINITY;
for await (const product of dearTea()) {
  const price = present(product.price, 'price');
  expect(price >= 60 && price <= last, true, 'the filter and the order');
  expect(product.category === 'coffee', false, 'a category that was not asked for');
  last = price;
  seen.add(present(product.id, 'id'));
}
expect(seen.size > 200, true, `more than two pages, ${seen.size} products`);
const productId = present([...seen][0], 'product');
console.log(`walked ${seen.size} products`);

const header = { 'Idempotency-Key': crypto.randomUUID() };
const first = await customer.POST('/v1/orders', { params: { header }, body: { productId, quantity: 2 } });
const order = present(first.data, first.error?.detail ?? 'the order').data;
expect(first.response.status, 201, 'the status of the order');
expect(order.quantity, 2, 'the quantity');
expect(first.response.headers.get('Location'), `/v1/orders/${order.id}`, 'the location');
const again = await customer.POST('/v1/orders', { params: { header }, body: { productId, quantity: 2 } });
expect(again.data?.data.id, order.id, 'the order of the repetition');
expect(again.response.headers.get('Idempotency-Replayed'), 'true', 'the mark of the repetition');
console.log('ordered once');

// The order is counted after its commit, which changes the product.
const path = { id: productId };
let read = await anyone.GET('/v1/products/{id}', { params: { path } });
for (let tries = 1; read.data?.data.sold !== 2; tries++) {
  expect(tries < 600, true, 'the order is counted');
  await pause(50);
  read = await anyone.GET('/v1/products/{id}', { params: { path } });
}
const etag = present(read.response.headers.get('ETag'), 'ETag');
const known = await anyone.GET('/v1/products/{id}', { params: { path, header: { 'If-None-Match': etag } } });
expect(known.response.status, 304, 'the status of what is known');
expect(known.data, undefined, 'the body of what is known');
console.log('not modified');

const merge = { 'Content-Type': 'application/merge-patch+json' };
const changed = await staff.PATCH('/v1/products/{id}', { params: { path, header: { 'If-Match': etag } }, headers: merge, body: { name: 'The dearest' } });
expect(changed.data?.data.name, 'The dearest', changed.error?.detail ?? 'the new name');
const late = await staff.PATCH('/v1/products/{id}', { params: { path, header: { 'If-Match': etag } }, headers: merge, body: { name: 'Too late' } });
const stale: CodesOf<'updateProduct'> = 'precondition-failed';
expect(late.error?.code, stale, 'the code of a stale change');
expect(late.response.status, 412, 'the status of a stale change');
console.log('changed once');

const tooMany = await customer.POST('/v1/orders', { body: { productId, quantity: 1000 } });
expect(tooMany.error?.errors?.[0]?.pointer, '#/quantity', 'the pointer to the fault');

// What the contract does not know does not compile.
// @ts-expect-error a code that the operation does not document
export const unknownCode: CodesOf<'createOrder'> = 'out-of-stok';
// @ts-expect-error a filter that does not exist
export const unknownFilter: operations['listProducts']['parameters']['query'] = { colour: 'red' };
// @ts-expect-error a member that is missing
export const incomplete: operations['createOrder']['requestBody']['content']['application/json'] = { quantity: 1 };

function advise(code: Extract<CodesOf<'createOrder'>, 'out-of-stock' | 'request-in-progress' | 'idempotency-key-reused'>): string {
  switch (code) {
    case 'out-of-stock':
      return 'order less';
    case 'request-in-progress':
      return 'wait';
    case 'idempotency-key-reused':
      return 'take a new key';
  }
}
const reused = await customer.POST('/v1/orders', { params: { header }, body: { productId, quantity: 3 } });
const advised = reused.error?.code === 'idempotency-key-reused' ? advise(reused.error.code) : undefined;
expect(advised, 'take a new key', `what to do about ${reused.error?.code}`);
console.log('refused with a code');

const cancelled = await customer.POST('/v1/orders/{id}/cancel', { params: { path: { id: order.id } } });
expect(cancelled.data?.data.status, 'cancelled', cancelled.error?.detail ?? 'the status of the order');
const twice = await customer.POST('/v1/orders/{id}/cancel', { params: { path: { id: order.id } } });
const notOpen: CodesOf<'cancelOrder'> = 'order-not-open';
expect(twice.error?.code, notOpen, 'the code of the second cancellation');
console.log('cancelled once');
