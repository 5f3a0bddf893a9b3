import { HoldfastError } from './errors.ts';

/** S3's limit; the narrowest of the storages. */
const maxKeyBytes = 1024;
/** Linux's limit for a file name. */
const maxSegmentBytes = 255;
const controlCharacters = /[\u0000-\u001f\u007f]/;

/**
 * Refuses a key that some storage could not hold, or that would leave the storage's place.
 * @throws InvalidInput naming the key and the rule
 */
export function assertObjectKey(key: string): void {
  const problem = keyProblem(key) ?? key.split('/').map(segmentProblem).find(Boolean);
  if (problem) refuse('key', key, problem);
}

/** Whether {@link assertObjectKey} would take it. */
export function isObjectKey(key: string): boolean {
  return (keyProblem(key) ?? key.split('/').map(segmentProblem).find(Boolean)) === undefined;
}

/** @throws InvalidInput unless both are whole numbers from 0 */
export function assertObjectRange(key: string, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0) return;
  throw new HoldfastError('InvalidInput', `The range of "${key}" is wrong: ${length} bytes from ${offset}.`);
}

/**
 * The same for a prefix, whose last segment may be any beginning of one; the empty prefix means everything.
 * @throws InvalidInput
 */
export function assertObjectPrefix(prefix: string): void {
  if (prefix === '') return;
  const problem = keyProblem(prefix) ?? prefix.split('/').slice(0, -1).map(segmentProblem).find(Boolean);
  if (problem) refuse('prefix', prefix, problem);
}

/** The order in which every storage lists: by the key's bytes in UTF-8. JavaScript compares UTF-16 units, which puts U+FFxx after emojis. */
export function compareObjectKeys(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return codePointRank(left) - codePointRank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above every other unit, so they rank behind U+E000–U+FFFF. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

function keyProblem(key: string): string | undefined {
  if (key.startsWith('/')) return 'it starts with "/"';
  if (controlCharacters.test(key)) return 'it holds a control character';
  if (!key.isWellFormed()) return 'it is not well-formed Unicode';
  if (isLonger(key, maxKeyBytes)) return `it is longer than ${maxKeyBytes} bytes`;
  return undefined;
}

function segmentProblem(segment: string): string | undefined {
  if (segment === '') return 'it has an empty segment';
  if (segment === '.' || segment === '..') return `it has the segment "${segment}"`;
  if (isLonger(segment, maxSegmentBytes)) return `a segment is longer than ${maxSegmentBytes} bytes`;
  return undefined;
}

/** A unit of UTF-16 takes three bytes at most: hardly a key is counted, of half a million that a listing has. */
function isLonger(text: string, bytes: number): boolean {
  return text.length * 3 > bytes && utf8Length(text) > bytes;
}

/** Length in UTF-8 without Node's Buffer: the domain imports no Node module. */
function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}

function refuse(what: string, value: string, problem: string): never {
  const shown = JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}…` : value);
  throw new HoldfastError('InvalidInput', `The object ${what} ${shown} is refused: ${problem}.`, {
    next: 'Keys are segments joined by "/", none of them empty, "." or "..", each at most 255 bytes.',
  });
}
