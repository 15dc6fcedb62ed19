// Requests for an operation: valid ones, and the same with one fault.
import { brokenBodies, spoiled, withFault } from './faults.mjs';
import { pointerOf } from './judge.mjs';
import { Raw, write } from './values.mjs';

const key = 'Idempotency-Key';

export class Requests {
  #contract;
  #random;
  #values;
  #tags;
  #number = 0;

  /** @param tags entity tags that the server has given */
  constructor(contract, random, values, tags) {
    [this.#contract, this.#random, this.#values, this.#tags] = [contract, random, values, tags];
  }

  /** A request that is right by the document, in parts, so that faults can be put into it. */
  valid(operation) {
    const parts = { operation, path: {}, query: [], headers: {}, body: undefined, type: undefined };
    for (const parameter of operation.parameters) {
      if (parameter.in === 'path') parts.path[parameter.name] = this.#text(parameter);
      else if (parameter.in === 'query' && (parameter.required || this.#random.chance(0.15)) && !isCursor(parameter)) parts.query.push([parameter.name, this.#text(parameter)]);
      else if (parameter.in === 'header' && (parameter.required || this.#random.chance(0.2))) parts.headers[parameter.name] = this.#header(parameter);
    }
    if (operation.body) {
      parts.type = this.#random.pick(Object.keys(operation.body));
      parts.body = this.#values.of(operation.body[parts.type]);
    }
    if (this.#random.chance(0.3)) parts.headers['Accept-Encoding'] = this.#random.pick(['br', 'gzip', 'br;q=0.5, gzip', 'identity', 'identity;q=0, br', '*', 'unknown']);
    if (this.#random.chance(0.1)) parts.headers.Origin = 'https://app.example.com';
    return parts;
  }

  /** A valid request with headers that HTTP has and the operation does not speak of. What becomes of it is open, as long as the document has the answer. */
  strayed(operation) {
    const parts = this.valid(operation);
    const date = 'Sat, 31 Jan 2026 09:30:00 GMT';
    const headers = { 'If-Match': this.#tag(), 'If-None-Match': this.#tag(), 'If-Unmodified-Since': date, 'If-Modified-Since': date, 'If-Range': this.#tag(), Range: 'bytes=0-1', Prefer: 'return=minimal, wait=0, foo', TE: 'trailers', 'Accept-Language': 'tlh' };
    for (const name of this.#random.some(Object.keys(headers), 2)) parts.headers[name] = headers[name];
    return parts;
  }

  /** The request in the form in which it is sent. */
  finish(parts, credential) {
    const { operation } = parts;
    const path = operation.path.replace(/\{([^}]+)\}/g, (_, name) => parts.path[name]);
    const query = parts.query.map(([name, value]) => `${encodeURIComponent(name)}=${value instanceof Raw ? value.text : encodeURIComponent(value)}`).join('&');
    const headers = { ...(credential ? { Authorization: credential } : {}), ...(parts.type ? { 'Content-Type': parts.type } : {}), ...parts.headers };
    const body = parts.rawBody !== undefined ? parts.rawBody : parts.body === undefined ? undefined : write(parts.body);
    return { method: operation.method, target: this.#contract.prefix + path + (query ? `?${query}` : ''), headers, body };
  }

  /** Every way this operation's request can be wrong in one thing. */
  faults(operation) {
    const valid = this.valid(operation);
    const faults = [...this.#ofBody(valid), ...this.#ofPath(valid), ...this.#ofQuery(valid), ...this.#ofHeaders(valid)];
    // Each is a request of its own, so it has a key of its own.
    return faults.map(fault => fault.parts.headers[key] && fault.parts.headers[key] === valid.headers[key] ? { ...fault, parts: { ...fault.parts, headers: { ...fault.parts.headers, [key]: this.#key() } } } : fault);
  }

  #ofBody(valid) {
    const { operation } = valid;
    if (!operation.body) return [{ name: 'a body where none is taken', statuses: [400], parts: { ...valid, type: 'application/json', rawBody: '{"a":1}' } }];
    const schema = operation.body[valid.type];
    return [
      ...spoiled(this.#contract, this.#values, schema, valid.body).map(({ name, path, value, placeMayBe, isCondition }) => ({
        name: `${name} at #${pointerOf(path).slice(0, 200)}`,
        statuses: isCondition ? [428, 404, 412] : [400],
        pointers: isCondition ? undefined : [pointerOf(path), ...(placeMayBe ? [pointerOf(placeMayBe)] : [])],
        parts: { ...valid, body: withFault(valid.body, path, value) },
      })),
      ...brokenBodies.map(({ name, body }) => ({ name, statuses: [400], parts: { ...valid, rawBody: body } })),
      { name: 'a body of another media type', statuses: [415], parts: { ...valid, type: 'text/plain' } },
      { name: 'a body of no media type', statuses: [415], parts: { ...valid, type: undefined } },
      { name: 'a body in another character set', statuses: [415], parts: { ...valid, type: `${valid.type}; charset=iso-8859-1` } },
      { name: 'a body in an unknown coding', statuses: [415], parts: { ...valid, headers: { ...valid.headers, 'Content-Encoding': 'br' } } },
    ];
  }

  /** What is not an id is not found: a path names a thing, and no thing has that name. */
  #ofPath(valid) {
    // Not %00: that is no HTTP to the server, and refused before there is anybody who could write a problem.
    const wrong = ['0', 'x'.repeat(300), '%ff', '..%2f..', '%E2%80%AE', "';--", '-1', '1e999', '%F0%9F%98%80'];
    return Object.keys(valid.path).flatMap(name => wrong.map(value => ({ name: `the path with ${value.slice(0, 20)} for ${name}`, statuses: [400, 404], parts: { ...valid, path: { ...valid.path, [name]: value } } })));
  }

  #ofQuery(valid) {
    const faults = [{ name: 'an unknown parameter', statuses: [400], parameter: 'noSuchParameter', parts: { ...valid, query: [...valid.query, ['noSuchParameter', '1']] } }];
    const of = parameter => ([name]) => name !== parameter.name;
    for (const parameter of valid.operation.parameters.filter(parameter => parameter.in === 'query')) {
      const others = valid.query.filter(of(parameter));
      const text = isCursor(parameter) ? 'x' : this.#text(parameter);
      faults.push({ name: `${parameter.name} twice`, statuses: [400], parameter: parameter.name, parts: { ...valid, query: [...others, [parameter.name, text], [parameter.name, text]] } });
      faults.push({ name: `NUL in ${parameter.name}`, statuses: [400], parameter: isCursor(parameter) ? undefined : parameter.name, parts: { ...valid, query: [...others, [parameter.name, new Raw('a%00')]] } });
      faults.push({ name: `${parameter.name} not in UTF-8`, statuses: [400], parts: { ...valid, query: [...others, [parameter.name, new Raw('%ff')]] } });
      if (parameter.required) faults.push({ name: `without ${parameter.name}`, statuses: [400], parameter: parameter.name, parts: { ...valid, query: others } });
      for (const wrong of this.#wrongTexts(parameter))
        faults.push({ name: `${parameter.name}=${String(wrong).slice(0, 30)}`, statuses: [400], parameter: parameter.name, parts: { ...valid, query: [...others, [parameter.name, wrong]] } });
    }
    return faults;
  }

  /** Texts that a parameter's schema does not admit. Every text is one of its type when it is a text; the rest is checked as in a body. */
  #wrongTexts(parameter) {
    const schema = this.#contract.resolve(parameter.schema);
    if (isCursor(parameter)) return [];
    if (schema.type === 'array') {
      const item = this.#contract.resolve(schema.items);
      const valid = this.#textOf(this.#values.of(item, true));
      return [...(schema.uniqueItems ? [`${valid},${valid}`] : []), ...(schema.maxItems < 1000 && item.enum === undefined ? [Array(schema.maxItems + 1).fill(valid).join(',')] : []), ...this.#wrongScalars(item)];
    }
    return this.#wrongScalars(schema);
  }

  #wrongScalars(schema) {
    const texts = spoiled(this.#contract, this.#values, schema, undefined).map(fault => fault.value)
      .filter(value => (typeof value === 'string' && value.length < 4000) || typeof value === 'number' || (value instanceof Raw && /^[-0-9.e]+$/.test(value.text)))
      .map(value => value instanceof Raw ? value.text : String(value));
    return schema.type === 'string' ? texts.filter(value => value !== '7' && this.#breaks(schema, value)) : schema.type === 'boolean' ? ['1', 'TRUE', ''] : texts;
  }

  #breaks = (schema, value) => (schema.enum && !schema.enum.includes(value)) || (schema.pattern && !new RegExp(schema.pattern, 'u').test(value))
    || [...value].length > (schema.maxLength ?? Infinity) || [...value].length < (schema.minLength ?? 0) || ['date', 'date-time', 'email', 'uri'].includes(schema.format);

  #ofHeaders(valid) {
    const faults = [
      { name: 'nothing acceptable', statuses: [406], parts: { ...valid, headers: { ...valid.headers, Accept: 'text/html' } } },
      { name: 'no acceptable coding', statuses: [406], parts: { ...valid, headers: { ...valid.headers, 'Accept-Encoding': '*;q=0' } } },
    ];
    for (const parameter of valid.operation.parameters.filter(parameter => parameter.in === 'header')) {
      const schema = this.#contract.resolve(parameter.schema);
      const { [parameter.name]: _, ...others } = valid.headers;
      if (parameter.required) faults.push({ name: `without ${parameter.name}`, statuses: [428, 404, 400], parts: { ...valid, headers: others } });
      if (schema.pattern)
        for (const wrong of ['', 'a b', '"', '"x', 'x, y', 'x'.repeat((schema.maxLength ?? 1000) + 1)])
          if (!new RegExp(schema.pattern, 'u').test(wrong) || wrong.length > schema.maxLength)
            faults.push({ name: `${parameter.name}: ${wrong.slice(0, 30)}`, statuses: [400, 431], parts: { ...valid, headers: { ...others, [parameter.name]: wrong } } });
    }
    return faults;
  }

  #text(parameter) {
    // Numbers reach so many rows, so the last ones are for pages of one row.
    if (parameter.name === 'page') return String(this.#random.int(1, 50));
    for (;;) {
      const value = this.#values.of(parameter.schema, true);
      if (value !== null && !(Array.isArray(value) && value.length === 0)) return this.#textOf(value);
    }
  }

  #textOf = value => Array.isArray(value) ? value.map(item => this.#textOf(item)).join(',') : value instanceof Raw ? value.text : String(value);

  #header(parameter) {
    const schema = this.#contract.resolve(parameter.schema);
    // A key belongs to one request. Conditions are made for rows; any will do, and "*" fits them all.
    if (parameter.name === key) return this.#key();
    if (parameter.name.toLowerCase() === 'if-match') return this.#random.chance(0.7) ? '*' : this.#tag();
    if (parameter.name.toLowerCase() === 'if-none-match') return this.#tag();
    return schema.examples?.length ? this.#random.pick(schema.examples) : this.#text(parameter);
  }

  #key = () => `"case-${this.#random.int(0, 1e9)}-${++this.#number}"`;

  #tag = () => this.#random.pick([...this.#tags.slice(-5), '*', '"v1"', 'W/"v1"', '"other", "v2"']);
}

/** A cursor is opaque: only what a page has given may be sent, so none is made up. */
const isCursor = parameter => parameter.name === 'cursor';
