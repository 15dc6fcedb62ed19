// Sends requests as they are, however wrong, and shows them as commands to repeat.
import { mkdtempSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

export class Wire {
  #origin;
  #agent = new http.Agent({ keepAlive: true, maxSockets: 4 });

  constructor(origin) {
    this.#origin = new URL(origin);
  }

  /** @returns {Promise<{status: number, headers: Record<string, string>, body: Buffer}>} */
  send({ method, target, headers, body }) {
    const bytes = body === undefined ? undefined : Buffer.from(body);
    return new Promise((resolve, reject) => {
      const request = http.request({
        agent: this.#agent, method, host: this.#origin.hostname, port: this.#origin.port, path: target, timeout: 30_000,
        headers: { ...headers, ...(bytes === undefined ? {} : { 'Content-Length': bytes.length }) },
      }, response => {
        const parts = [];
        response.on('data', part => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          try {
            const sent = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
            resolve({ status: response.statusCode, headers: sent, body: decoded(Buffer.concat(parts), sent['content-encoding']) });
          } catch (error) {
            reject(error);
          }
        });
      });
      request.on('timeout', () => request.destroy(new Error('no answer within 30 s')));
      request.on('error', reject);
      request.end(bytes);
    });
  }

  curl({ method, target, headers, body }) {
    const words = ['curl', '-i', ...(method === 'HEAD' ? ['-I'] : ['-X', method]), quote(this.#origin.origin + target)];
    for (const [name, value] of Object.entries(headers)) words.push('-H', quote(`${name}: ${value}`));
    if (body === undefined) return words.join(' ');
    if (body.length > 4000) {
      const file = join(mkdtempSync(join(tmpdir(), 'fuzz-')), 'body');
      writeFileSync(file, body);
      return `${words.join(' ')} --data-binary ${quote('@' + file)}`;
    }
    if (typeof body === 'string' && /^[\x20-\x7e]*$/.test(body)) return [...words, '--data-binary', quote(body)].join(' ');
    return `echo ${Buffer.from(body).toString('base64')} | base64 -d | ${words.join(' ')} --data-binary @-`;
  }

  close() {
    this.#agent.destroy();
  }
}

/** A body without its content coding. */
function decoded(body, coding) {
  if (coding === undefined || body.length === 0) return body;
  const decode = { br: brotliDecompressSync, gzip: gunzipSync }[coding];
  if (!decode) throw new Error(`the content coding '${coding}' was not asked for`);
  return decode(body);
}

const quote = text => `'${text.replaceAll("'", "'\\''")}'`;
