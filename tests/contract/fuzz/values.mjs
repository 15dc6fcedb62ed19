// Values that a schema admits, and JSON that JavaScript cannot say.
import RandExp from 'randexp';

/** A text that stands in JSON as it is: a number of any size, an escape, a member twice. */
export class Raw {
  constructor(text) {
    this.text = text;
  }
}

/** A value as JSON text. */
export function write(value) {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (value && typeof value === 'object') return `{${Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${write(member)}`).join(',')}}`;
  return JSON.stringify(value);
}

/** The types of a schema without null. */
export const typesOf = schema => (Array.isArray(schema.type) ? schema.type : schema.type ? [schema.type] : []).filter(type => type !== 'null');

export const admitsNull = schema => schema.type === undefined || (Array.isArray(schema.type) && schema.type.includes('null'));

const alphabets = ['abcdefghijklmnopqrstuvwxyz', 'ABC xyz 019', 'äöüßéñ', 'שלום عالم', '日本語', '😀👩‍👧', '\'";<>&%_\\/', '\u202e\u200b\u00a0'];

/** Makes valid values. Ids come from what the server has shown, as far as it has. */
export class Values {
  #contract;
  #random;
  #known;
  #texts;

  /**
   * @param known ids by the pattern of their schema
   * @param texts texts worth trying
   */
  constructor(contract, random, known, texts = []) {
    this.#texts = texts;
    this.#contract = contract;
    this.#random = random;
    this.#known = known;
  }

  /** @param narrow whether the value goes into a path, query or header, where texts are short and plain */
  of(schema, narrow = false, depth = 0) {
    schema = this.#contract.resolve(schema);
    if (schema.const !== undefined) return schema.const;
    const random = this.#random;
    for (const choice of [schema.anyOf, schema.oneOf]) if (choice) return this.of({ ...random.pick(choice) }, narrow, depth);
    if (schema.enum) return random.pick(schema.enum);
    if (admitsNull(schema) && schema.type && random.chance(0.15)) return null;
    switch (random.pick(typesOf(schema))) {
      case 'object': return this.#object(schema, depth);
      case 'array': return this.#array(schema, narrow, depth);
      case 'string': return this.#text(schema, narrow);
      case 'integer': return this.#integer(schema);
      case 'number': return this.#number(schema);
      case 'boolean': return random.chance(0.5);
      case undefined: return this.#anything(schema, depth);
      default: throw new Error(`The fuzzer does not know the type of ${JSON.stringify(schema)}.`);
    }
  }

  #object(schema, depth) {
    const required = new Set(schema.required ?? []);
    const made = {};
    for (const [name, member] of Object.entries(schema.properties ?? {}))
      if (!this.#contract.resolve(member).readOnly && (required.has(name) || (depth < 4 && this.#random.chance(0.6)))) made[name] = this.of(member, false, depth + 1);
    return made;
  }

  #array(schema, narrow, depth) {
    const least = schema.minItems ?? 0;
    const count = this.#random.int(least, Math.min(schema.maxItems ?? 10, least + (depth > 3 ? 0 : 3)));
    const items = Array.from({ length: count }, () => this.of(schema.items ?? {}, narrow, depth + 1));
    if (!schema.uniqueItems && !narrow) return items;
    // What names the same thing twice counts as twice the same.
    const names = items.map(item => item?.id ?? item);
    return items.filter((_, index) => names.indexOf(names[index]) === index);
  }

  #text(schema, narrow) {
    const random = this.#random;
    const known = this.#known.get(schema.pattern);
    if (schema.format === 'typeid' && known?.length && random.chance(0.9)) return random.chance(0.3) ? known.at(-1) : random.pick(known);    // nothing has happened to the newest
    if (!schema.format && schema.examples?.length && random.chance(0.7)) return random.pick(schema.examples);
    const two = number => String(number).padStart(2, '0');
    const date = () => `${String(random.int(1, 9998)).padStart(4, '0')}-${two(random.int(1, 12))}-${two(random.int(1, 28))}`;
    const time = () => `${two(random.int(0, 23))}:${two(random.int(0, 59))}:${two(random.int(0, 59))}${random.chance(0.3) ? '.' + random.int(1, 999999) : ''}`;
    switch (schema.format) {
      case 'date': return date();
      case 'date-time': return `${date()}T${time()}${random.pick(['Z', '+00:00', '-11:30', '+14:00'])}`;
      case 'time-local': return time();
      case 'timespan': return random.pick(['PT0S', `PT${random.int(0, 999999)}S`, `P${random.int(0, 9999)}D`, `P${random.int(0, 99)}DT${random.int(0, 23)}H${random.int(0, 59)}M${random.int(0, 59)}.5S`]);
      case 'email': return `${random.pick(['ada', 'a.b', 'x_y'])}${random.int(0, 1e9)}@example.com`.slice(0, schema.maxLength);
      case 'uri': return `https://example.com/${random.int(0, 1e9)}`;
      case 'uri-reference': return `/x/${random.int(0, 1e9)}`;
    }
    if (schema.contentEncoding === 'base64') return Buffer.from(Array.from({ length: random.int(0, Math.min(60, Math.floor((schema.maxLength ?? 80) / 4 - 1) * 3)) }, () => random.int(0, 255))).toString('base64');
    return schema.pattern && !isTextPattern(schema.pattern) ? this.#matching(schema) : this.#words(schema, narrow);
  }

  #words(schema, narrow) {
    const random = this.#random;
    const most = schema.maxLength ?? 1000;
    const fitting = this.#texts.filter(text => length(text) <= most);
    if (fitting.length > 0 && random.chance(0.5)) return random.pick(fitting);
    const least = schema.minLength ?? 0;
    const count = random.chance(0.1) && !narrow ? (random.chance(0.5) ? Math.min(most, 20000) : least) : random.int(Math.max(least, narrow ? 1 : 0), Math.min(most, least + 30));
    const letters = narrow ? [...'abcdefghijklmnopqrstuvwxyz'] : [...random.pick(alphabets)];
    return Array.from({ length: count }, () => random.pick(letters)).join('');
  }

  /** A text that matches a pattern; lookaheads are not understood, so it is tried. */
  #matching(schema) {
    const pattern = new RegExp(schema.pattern, 'u');
    const expression = new RandExp(schema.pattern);
    expression.max = Math.min(20, schema.maxLength ?? 20);
    expression.randInt = (least, most) => this.#random.int(least, most);
    expression.defaultRange.subtract(32, 126).add(33, 126);
    for (let attempt = 0; attempt < 200; attempt++) {
      const text = expression.gen();
      if (pattern.test(text) && length(text) >= (schema.minLength ?? 0) && length(text) <= (schema.maxLength ?? Infinity)) return text;
    }
    if (schema.examples?.length) return schema.examples[0];
    throw new Error(`The fuzzer finds no text for ${JSON.stringify(schema)}. Give the schema examples.`);
  }

  #integer(schema) {
    const random = this.#random;
    const [least, most] = bounds(schema, 1);
    if (random.chance(0.15)) return exact(random.pick([schema.minimum ?? least, schema.maximum ?? most]));
    const from = Math.max(least, -1e6), to = Math.min(most, 1e6);
    return from <= to ? random.int(Math.ceil(from), Math.floor(to)) : least;
  }

  #number(schema) {
    const [least, most] = bounds(schema, 0.01);
    const from = Math.max(least, -1e6), to = Math.min(most, 1e6);
    return Math.min(to, Math.max(from, Math.round((from + this.#random.next() * (to - from)) * 100) / 100));
  }

  #anything(schema, depth) {
    const random = this.#random;
    return random.pick([...(schema.not?.type === 'null' ? [] : [null]), true, 0, -1.5, 'text', '', ...(depth < 4 ? [[1, 'a'], { a: { b: [] } }] : [])]);
  }
}

/** Whether a pattern only says that a text has no NUL, so that words fit. */
export const isTextPattern = pattern => new RegExp(pattern, 'u').test('any text, ünlike\nany pattern') && !new RegExp(pattern, 'u').test('\0');

/** Characters as JSON Schema counts them. */
export const length = text => [...text].length;

export const bounds = (schema, step) => [
  schema.minimum ?? (schema.exclusiveMinimum !== undefined ? schema.exclusiveMinimum + step : -1e6),
  schema.maximum ?? (schema.exclusiveMaximum !== undefined ? schema.exclusiveMaximum - step : 1e6),
];

/** 64-bit bounds are rounded when JavaScript reads the document; written as text they are what they are. */
export const exact = number => Number.isSafeInteger(number) ? number
  : number >= 2 ** 63 ? new Raw('9223372036854775807') : number <= -(2 ** 63) ? new Raw('-9223372036854775808') : number;
