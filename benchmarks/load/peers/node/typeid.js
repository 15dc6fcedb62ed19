// TypeID 0.3: a prefix and a UUID in base32, and UUIDs of version 7.
import { randomBytes } from 'node:crypto';

const digits = '0123456789abcdefghjkmnpqrstvwxyz';
const values = new Map([...digits].map((digit, value) => [digit, value]));

export function encode(prefix, uuid) {
  const hex = uuid.replaceAll('-', '');
  // 26 digits of 5 bits hold 130 bits, so the first digit has only 3 of the UUID's 128.
  let text = '';
  let bits = 2;
  let held = 0;
  for (let at = 0; at < 32; at += 2) {
    held = ((held << 8) | parseInt(hex.substring(at, at + 2), 16)) & 0x1fff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += digits[(held >> bits) & 31];
    }
  }
  return `${prefix}_${text}`;
}

export function decode(prefix, text) {
  if (text.length !== prefix.length + 27 || !text.startsWith(`${prefix}_`)) return undefined;
  let hex = '';
  let bits = -2;
  let held = 0;
  for (let at = prefix.length + 1; at < text.length; at++) {
    const value = values.get(text[at]);
    if (value === undefined) return undefined;
    held = ((held << 5) | value) & 0x1fff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      hex += ((held >> bits) & 255).toString(16).padStart(2, '0');
    }
  }
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function newId() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
