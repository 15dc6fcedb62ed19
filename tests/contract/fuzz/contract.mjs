// The document as the fuzzer reads it: operations with everything resolved, and validators by ajv, which knows nothing of the server.
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const methods = ['get', 'put', 'post', 'patch', 'delete', 'query', 'head', 'options'];

export class Contract {
  #document;
  #ajv;
  #validators = new Map();

  constructor(document) {
    this.#document = document;
    this.#ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: true });
    addFormats(this.#ajv);
    // Formats of the document that JSON Schema does not define; their patterns and bounds say the rest.
    for (const name of ['typeid', 'time-local', 'timespan', 'int16', 'int32', 'int64', 'float', 'double', 'decimal', 'byte']) this.#ajv.addFormat(name, true);
    this.#ajv.addSchema(document, 'contract');
    this.operations = Object.entries(document.paths).flatMap(([path, item]) => methods.filter(method => item[method]).map(method => this.#operation(path, method, item)));
  }

  /** The path before all paths of the document, without a slash at the end. */
  get prefix() {
    const url = this.#document.servers?.[0]?.url ?? '/';
    return (url.startsWith('/') ? url : new URL(url).pathname).replace(/\/$/, '');
  }

  /** The methods that the document has for a path: several templates may fit it. */
  methodsAt(path) {
    const fits = template => new RegExp(`^${(this.prefix + template).replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+')}$`).test(path);
    return this.operations.filter(operation => fits(operation.path)).map(operation => operation.method);
  }

  /** Follows references, and merges what stands beside one. */
  resolve(node) {
    if (!node?.$ref) return node;
    const { $ref, ...beside } = node;
    return { ...this.resolve(this.#at($ref)), ...beside };
  }

  /** Null when the value is valid by the schema at this place of the document, else what is wrong with it. */
  complaint(place, value) {
    if (!this.#validators.has(place)) this.#validators.set(place, this.#ajv.compile({ $ref: `contract#${place}` }));
    const validate = this.#validators.get(place);
    return validate(value) ? null : validate.errors.map(error => `${error.instancePath || 'the value'} ${error.message}${error.params?.allowedValues ? ` (${error.params.allowedValues.join(', ')})` : ''}`).join('; ');
  }

  #at(reference) {
    return reference.slice(2).split('/').reduce((node, name) => node[decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~')], this.#document);
  }

  /** The pointer of a node behind references, so that every validator is made once. */
  #place(node, place) {
    return node?.$ref ? this.#place(this.#at(node.$ref), node.$ref.slice(1)) : place;
  }

  #operation(path, method, item) {
    const written = item[method];
    const place = `/paths/${token(path)}/${method}`;
    const responses = {};
    for (const [status, response] of Object.entries(written.responses)) {
      const at = this.#place(response, `${place}/responses/${status}`);
      const resolved = this.resolve(response);
      const headers = Object.fromEntries(Object.entries(resolved.headers ?? {}).map(([name, header]) => {
        const headerAt = this.#place(header, `${at}/headers/${token(name)}`);
        return [name.toLowerCase(), { ...this.resolve(header), place: `${headerAt}/schema` }];
      }));
      const content = Object.fromEntries(Object.keys(resolved.content ?? {}).map(type => [type, `${at}/content/${token(type)}/schema`]));
      responses[status] = { headers, content, links: Object.values(resolved.links ?? {}).map(link => this.resolve(link)) };
    }
    const body = this.resolve(written.requestBody);
    return {
      id: written.operationId,
      method: method.toUpperCase(),
      path,
      parameters: [...(item.parameters ?? []), ...(written.parameters ?? [])].map(parameter => this.resolve(parameter)),
      body: body && Object.fromEntries(Object.entries(body.content).map(([type, media]) => [type, media.schema])),
      responses,
    };
  }
}

/** A name as a token of a JSON Pointer in a URI fragment. */
const token = name => encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'));
