// Express with its own JSON parser and nothing else.
import express from 'express';
import { findProduct, listProducts, placeOrder } from './shop.js';

const app = express();
app.disable('x-powered-by');

app.get('/health/ready', (request, response) => response.send('ready'));
app.get('/v1/products/:id', async (request, response) => {
  const found = await findProduct(request.params.id);
  if (found === undefined) response.status(404).json({ status: 404 });
  else response.json(found);
});
app.get('/v1/products', async (request, response) => response.json(await listProducts(request.query)));
app.post('/v1/orders', express.json(), async (request, response) => response.status(201).json(await placeOrder(request.body)));

app.listen(Number(process.env.PORT), '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
