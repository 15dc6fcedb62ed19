// Compares an answer with what the document says about it, and with what was wrong with the request.

// What may refuse any request before its operation is known; the document speaks of it once, as "default".
const anywhere = new Set([408, 414, 429, 431]);

// Fields of the transfer and of the connection, and safety that is on every answer.
const everywhere = new Set(['connection', 'content-length', 'content-type', 'date', 'keep-alive', 'server', 'transfer-encoding', 'x-content-type-options']);

/** @returns {string[]} what is wrong with an answer by the document alone */
export function judge(contract, operation, request, answer) {
  const findings = [];
  if (answer.status >= 500) findings.push(`answered ${answer.status}: ${excerpt(answer.body)}`);
  const documented = operation.responses[answer.status] ?? (anywhere.has(answer.status) ? operation.responses.default : undefined);
  if (!documented) return [...findings, `status ${answer.status} is not documented for ${operation.id}: ${excerpt(answer.body)}`];

  for (const [name, header] of Object.entries(documented.headers)) {
    const value = answer.headers[name];
    if (value === undefined) {
      if (header.required) findings.push(`the header ${name} is missing from ${answer.status}`);
      continue;
    }
    const complaint = contract.complaint(header.place, typed(contract.resolve(header.schema), value));
    if (complaint) findings.push(`the header ${name}: ${value} of ${answer.status} breaks its schema: ${complaint}`);
  }
  for (const name of Object.keys(answer.headers))
    if (!documented.headers[name] && !everywhere.has(name)) findings.push(`the header ${name} of ${answer.status} is not documented`);

  return [...findings, ...body(contract, request, answer, documented)];
}

/** @returns {string[]} what is wrong with the answer to a request that is right by the document */
export const judgeValid = answer => [400, 405, 406, 413, 414, 415, 431].includes(answer.status) ? [`a valid request was refused with ${answer.status}: ${excerpt(answer.body)}`] : [];

/** @returns {string[]} what is wrong with the answer to a request that has one fault */
export function judgeFault(fault, answer) {
  if (answer.status < 400) return [`${fault.name} was accepted with ${answer.status}`];
  if ([401, 403, 429].includes(answer.status)) return [];   // who may not come in is not told what is wrong with the request
  if (!fault.statuses.includes(answer.status)) return [`${fault.name} was refused with ${answer.status}, expected ${fault.statuses.join(' or ')}: ${excerpt(answer.body)}`];
  if (!fault.pointers && !fault.parameter) return [];
  const errors = json(answer.body)?.errors ?? [];
  const named = errors.some(error => fault.parameter ? error.parameter === fault.parameter : fault.pointers.some(pointer => decoded(error.pointer) === pointer));
  return named ? [] : [`${fault.name}: the problem does not name ${fault.parameter ?? fault.pointers.map(pointer => '#' + pointer.slice(0, 200)).join(' or ')}: ${excerpt(answer.body)}`];
}

function body(contract, request, answer, documented) {
  const types = Object.keys(documented.content);
  // OpenAPI cannot say that a body may be absent.
  const isMinimal = answer.status === 201 && answer.headers['preference-applied'] === 'return=minimal';
  if (request.method === 'HEAD' || types.length === 0 || isMinimal)
    return answer.body.length > 0 ? [`${answer.status} has a body, expected none: ${excerpt(answer.body)}`] : [];
  const type = (answer.headers['content-type'] ?? '').split(';')[0];
  if (!documented.content[type]) return [`${answer.status} has the media type '${type}', documented: ${types.join(', ')}`];
  const value = json(answer.body);
  if (value === undefined) return [`${answer.status} is not JSON: ${excerpt(answer.body)}`];
  const complaint = contract.complaint(documented.content[type], value);
  return complaint ? [`the body of ${answer.status} breaks its schema: ${complaint}: ${excerpt(answer.body)}`] : [];
}

export function json(bytes) {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

const typed = (schema, value) => ['integer', 'number'].includes(schema?.type) && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;

function decoded(pointer) {
  try {
    return pointer?.startsWith('#') ? decodeURIComponent(pointer.slice(1)) : undefined;
  } catch {
    return undefined;
  }
}

/** The pointer of a path in the body, as text that is not yet escaped for a URI. */
export const pointerOf = path => path.map(step => '/' + String(step).replaceAll('~', '~0').replaceAll('/', '~1')).join('');

const excerpt = bytes => bytes.toString('utf8').replace(/\s+/g, ' ').slice(0, 400);
