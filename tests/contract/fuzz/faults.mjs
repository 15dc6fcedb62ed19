// Requests with exactly one thing wrong. Each fault says which statuses may answer it, and which place the problem must name.
import { Raw, admitsNull, bounds, isTextPattern, length, typesOf, write } from './values.mjs';

const tooLong = 100_000;

/**
 * All ways to spoil a valid value, one constraint at a time.
 * @returns {{name: string, path: (string|number)[], value: unknown}[]} value replaces the value at the path; undefined removes it
 */
export function spoiled(contract, values, schema, value, path = []) {
  schema = contract.resolve(schema);
  const faults = [];
  const add = (name, wrong, at = path) => faults.push({ name, path: at, value: wrong });
  if (schema.anyOf || schema.oneOf || !schema.type) return faults;
  const types = typesOf(schema);

  if (!admitsNull(schema)) add('null', null);
  if (!types.includes('string')) add('a text', 'text');
  if (!types.includes('number') && !types.includes('integer')) add('a number', 7);
  if (!types.includes('boolean')) add('a truth value', true);
  if (!types.includes('array')) add('an array', []);
  if (!types.includes('object')) add('an object', {});
  if (schema.enum) add('not in the enumeration', 'no such value');
  else if (types.includes('string')) text(schema, add);
  if (types.includes('integer') || types.includes('number')) number(schema, types, add);
  if (types.includes('array') && Array.isArray(value)) array(contract, values, schema, value, path, faults, add);
  if (types.includes('object') && value && typeof value === 'object' && !Array.isArray(value) && !(value instanceof Raw)) object(contract, values, schema, value, path, faults);
  return faults;
}

function text(schema, add) {
  if (schema.maxLength < tooLong) add('one character too many', 'x'.repeat(schema.maxLength + 1));
  if (schema.minLength > 0) add('one character too few', 'x'.repeat(schema.minLength - 1));
  if (schema.pattern && !isTextPattern(schema.pattern))
    for (const wrong of ['ü ∅', '\n', 'x'.repeat(Math.min(schema.maxLength ?? 5, 5)), '٣'])
      if (!new RegExp(schema.pattern, 'u').test(wrong) && length(wrong) <= (schema.maxLength ?? Infinity)) add('not of the pattern', wrong);
  if (schema.format === 'email') add('not an address', 'nobody');
  if (schema.format === 'uri') add('not a URI', 'nowhere');
  if (schema.format === 'date') add('a day that does not exist', '2026-02-30');
  if (schema.format === 'date-time') add('a time that does not exist', '2026-01-31T25:00:00Z');
  if ((schema.maxLength ?? 2) > 1) {
    add('NUL', new Raw('"a\\u0000"'));
    add('half a surrogate pair', new Raw('"\\ud800"'));
  }
}

function number(schema, types, add) {
  const whole = types.includes('integer');
  const [least, most] = bounds(schema, whole ? 1 : 0.01);
  if (Number.isSafeInteger(least)) add('too small', least - (whole ? 1 : 0.5));
  else if (schema.minimum !== undefined && whole) add('too small', new Raw('-9223372036854775809'));
  if (Number.isSafeInteger(most)) add('too large', most + (whole ? 1 : 0.5));
  else if (schema.maximum !== undefined && whole) add('too large', new Raw('9223372036854775808'));
  if (schema.exclusiveMinimum !== undefined) add('the excluded least', schema.exclusiveMinimum);
  if (schema.exclusiveMaximum !== undefined) add('the excluded most', schema.exclusiveMaximum);
  if (whole) add('a fraction', new Raw('1.5'));
  add('1e999', new Raw('1e999'));
}

function array(contract, values, schema, value, path, faults, add) {
  if (schema.minItems > 0) add('too few elements', value.slice(0, schema.minItems - 1));
  if (schema.maxItems < 2000) {
    const item = value[0] ?? values.of(schema.items);
    add('too many elements', Array.from({ length: schema.maxItems + 1 }, () => item));
  }
  value.slice(0, 2).forEach((item, index) => faults.push(...spoiled(contract, values, schema.items, item, [...path, index])));
}

function object(contract, values, schema, value, path, faults) {
  for (const name of schema.required ?? []) if (name in value) faults.push({ name: 'a required member is missing', path: [...path, name], value: undefined, isCondition: isCondition(name) });
  if (schema.additionalProperties === false || schema.unevaluatedProperties === false) {
    faults.push({ name: 'an unknown member', path: [...path, 'unknownMember'], value: 1 });
    faults.push({ name: 'an unknown member with a hostile name', path: [...path, '~/% "\u202e'], value: null });
    faults.push({ name: 'an unknown member with a very long name', path: [...path, 'n'.repeat(10_000)], value: null, placeMayBe: path });
  }
  const [first] = Object.keys(value);
  if (first !== undefined) {
    const twice = write(value).replace(/^\{/, `{${JSON.stringify(first)}:${write(value[first])},`);
    faults.push({ name: 'a member twice', path, value: new Raw(twice), placeMayBe: [...path, first] });
  }
  for (const [name, member] of Object.entries(schema.properties ?? {}))
    if (name in value) faults.push(...spoiled(contract, values, member, value[name], [...path, name]));
}

/** Whether a member says, as a header does elsewhere, which state a row must have: it is missed with 428, when the row has been found. */
const isCondition = name => name === 'ifMatch';

/** A copy of a value with the spoiled part in it. */
export function withFault(value, path, wrong) {
  if (path.length === 0) return wrong;
  const [step, ...rest] = path;
  if (Array.isArray(value)) return value.map((item, index) => (index === step ? withFault(item, rest, wrong) : item));
  const copy = { ...value };
  if (rest.length === 0 && wrong === undefined) delete copy[step];
  else copy[step] = withFault(value[step], rest, wrong);
  return copy;
}

/** Bodies that are no JSON, or too much of it. */
export const brokenBodies = [
  { name: 'no JSON', body: '{' },
  { name: 'an empty body', body: '' },
  { name: 'text behind the JSON', body: '{} x' },
  { name: 'two values', body: '{}{}' },
  { name: 'a comment', body: '{/* */}' },
  { name: 'a comma at the end', body: '{"a":1,}' },
  { name: 'nested 20,000 deep', body: '['.repeat(20_000) + ']'.repeat(20_000) },
  { name: 'bytes that are not UTF-8', body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]) },
  { name: 'UTF-16', body: Buffer.from('\ufeff{}', 'utf16le') },
];
