// What both Node peers share: the statements, prepared under their names, and rows as the contract shows them.
import pg from 'pg';
import { decode, encode, newId } from './typeid.js';

// Numbers of this shop fit a double; by default pg hands numeric over as text.
pg.types.setTypeParser(pg.types.builtins.NUMERIC, Number);

// Address and credentials come from the environment variables of PostgreSQL's own clients.
const pool = new pg.Pool();

const columns = 'id, sku, name, category, price, stock, sold';
const pageSize = 20;

function product(row) {
  return {
    id: encode('product', row.id), sku: row.sku, name: row.name, category: row.category, price: row.price, stock: row.stock, sold: row.sold,
  };
}

function order(row) {
  return {
    id: encode('order', row.id), customerId: row.customer_id, productId: encode('product', row.product_id),
    quantity: row.quantity, total: row.total, placedAt: row.placed_at,
  };
}

export async function findProduct(id) {
  const uuid = decode('product', id);
  if (uuid === undefined) return undefined;
  const { rows } = await pool.query({ name: 'product', text: `select ${columns} from products where id = $1`, values: [uuid] });
  return rows.length === 0 ? undefined : { data: product(rows[0]), meta: {} };
}

export async function listProducts({ cursor, include }) {
  const { rows } = cursor === undefined
    ? await pool.query({ name: 'first page', text: `select ${columns} from products order by id limit ${pageSize + 1}` })
    : await pool.query({ name: 'next page', text: `select ${columns} from products where id > $1 order by id limit ${pageSize + 1}`, values: [cursor] });
  const page = rows.slice(0, pageSize);
  const data = page.map(product);
  if (include === 'orders') {
    const orders = await newestOrders(page.map((row) => row.id));
    page.forEach((row, at) => { data[at].orders = orders.get(row.id) ?? []; });
  }
  return { data, meta: { pageSize, nextCursor: rows.length > pageSize ? page[pageSize - 1].id : null } };
}

async function newestOrders(ids) {
  const { rows } = await pool.query({
    name: 'newest orders',
    text: `select o.* from unnest($1::uuid[]) as p (id)
           cross join lateral (select id, customer_id, product_id, quantity, total, placed_at from orders where product_id = p.id order by id desc limit 3) o`,
    values: [ids],
  });
  const groups = new Map();
  for (const row of rows) {
    if (!groups.has(row.product_id)) groups.set(row.product_id, []);
    groups.get(row.product_id).push(order(row));
  }
  return groups;
}

export async function placeOrder({ productId, quantity, total }) {
  const { rows } = await pool.query({
    name: 'place order',
    text: `insert into orders (id, customer_id, product_id, quantity, total, placed_at) values ($1, $2, $3, $4, $5, now())
           returning id, customer_id, product_id, quantity, total, placed_at`,
    values: [newId(), 'benchmark', decode('product', productId), quantity, total],
  });
  return { data: order(rows[0]), meta: {} };
}
