// Fastify as its documentation recommends it: answers have schemas, which it compiles into serializers.
import Fastify from 'fastify';
import { findProduct, listProducts, placeOrder } from './shop.js';

const order = {
  type: 'object',
  properties: {
    id: { type: 'string' }, customerId: { type: 'string' }, productId: { type: 'string' },
    quantity: { type: 'integer' }, total: { type: 'number' }, placedAt: { type: 'string', format: 'date-time' },
  },
};
const product = {
  type: 'object',
  properties: {
    id: { type: 'string' }, sku: { type: 'string' }, name: { type: 'string' }, category: { type: 'string' },
    price: { type: 'number' }, stock: { type: 'integer' }, sold: { type: 'integer' }, orders: { type: 'array', items: order },
  },
};
const pageMeta = { type: 'object', properties: { pageSize: { type: 'integer' }, nextCursor: { type: 'string', nullable: true } } };
const envelope = (data, meta = { type: 'object' }) => ({ type: 'object', properties: { data, meta } });

const app = Fastify();

app.get('/health/ready', async () => 'ready');
app.get('/v1/products/:id', { schema: { response: { 200: envelope(product) } } }, async (request, reply) =>
  await findProduct(request.params.id) ?? reply.code(404).send({ status: 404 }));
app.get('/v1/products', { schema: { response: { 200: envelope({ type: 'array', items: product }, pageMeta) } } }, (request) => listProducts(request.query));
app.post('/v1/orders', {
  schema: {
    body: {
      type: 'object', required: ['productId', 'quantity', 'total'],
      properties: { productId: { type: 'string' }, quantity: { type: 'integer' }, total: { type: 'number' } },
    },
    response: { 201: envelope(order) },
  },
}, async (request, reply) => {
  const placed = await placeOrder(request.body);
  return reply.code(201).send(placed);
});

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
process.once('SIGTERM', () => process.exit(0));
