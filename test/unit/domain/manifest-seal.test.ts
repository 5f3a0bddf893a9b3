import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../../src/domain/canonical-json.ts';
import { isHoldfastError } from '../../../src/domain/errors.ts';
import { parseManifest, sealManifest, type UnsealedManifest } from '../../../src/domain/manifest-seal.ts';

const sha256 = (text: string) => hash('sha256', text);
const opTime = { ts: { t: 100, i: 1 }, t: 1 };
const prefix = 'orders/backups/20261122T101530Z-logical-k3f9/rs0/';
const stored = { key: `${prefix}index.ndjson.zst`, size: 1, crc32: '00000000' };
const instant = '2026-11-22T10:15:30.000Z';

const content: UnsealedManifest = {
  schemaVersion: 1,
  backupId: '20261122T101530Z-logical-k3f9',
  deployment: 'orders',
  kind: 'replicaSet',
  method: 'logical',
  methodReason: 'asked for',
  storage: 'laptop',
  run: 'r1',
  fence: 1,
  requestedBy: 'ann',
  labels: { why: 'release' },
  createdAt: instant,
  finishedAt: instant,
  restoreTime: opTime.ts,
  restoreTimeWall: instant,
  serverVersion: '6.0.5',
  featureCompatibilityVersion: '6.0',
  toolVersion: '0.1.0',
  usersAndRoles: true,
  warnings: [],
  totals: { namespaces: 0, documents: 0, rawBytes: 0, storedBytes: 0, oplogEntries: 1, seconds: 1 },
  parts: [
    {
      name: 'rs0',
      topology: {
        name: 'rs0',
        role: 'replicaSet',
        replicaSet: 'rs0',
        replicaSetId: null,
        term: 1,
        configVersion: 1,
        majorityVoteCount: 1,
        writeMajorityCount: 1,
        majorityOpTime: opTime,
        members: [],
      },
      member: 'h:1',
      memberReason: 'a hidden member',
      memberVerdicts: [],
      base: {
        schemaVersion: 1,
        method: 'logical',
        attempt: 1,
        member: 'h:1',
        codec: 'zstd',
        index: { ...stored, sha256: 'x' },
        packs: [],
        namespaces: [],
        documents: 0,
        rawBytes: 0,
        storedBytes: 0,
        captureFrom: opTime,
        applyFrom: opTime,
        startedAt: instant,
        finishedAt: instant,
      },
      point: opTime,
      oplog: { from: opTime, to: opTime, slices: [] },
    },
  ],
};

const errorOf = (text: string): unknown => {
  try {
    return parseManifest(text, 'orders/backups/x/manifest.json', sha256);
  } catch (error) {
    return error;
  }
};

describe('the seal of a manifest', () => {
  const sealed = sealManifest(content, sha256);

  it('is the SHA-256 of the canonical JSON of everything else', () => {
    expect(sealed.sha256).toBe(sha256(canonicalJson(content)));
    expect(parseManifest(JSON.stringify(sealed, null, 2), 'm', sha256)).toEqual(sealed);
  });

  it('does not depend on the order of keys or on spaces', () => {
    const reordered = Object.fromEntries(Object.entries(sealed).reverse());
    expect(parseManifest(JSON.stringify(reordered), 'm', sha256)).toEqual(sealed);
  });

  it.each([
    ['a number', { ...sealed, fence: 2 }],
    ['a label', { ...sealed, labels: {} }],
    ['the deployment', { ...sealed, deployment: 'other' }],
    ['a time in depth', { ...sealed, parts: [{ ...sealed.parts[0], point: { ...opTime, t: 2 } }] }],
    ['the seal', { ...sealed, sha256: '0'.repeat(64) }],
    ['a key more', { ...sealed, extra: 1 }],
    ['a key less', { ...sealed, fence: undefined }],
  ])('breaks when somebody changes %s', (_what, changed) => {
    expect(isHoldfastError(errorOf(JSON.stringify(changed)), 'VerificationFailed')).toBe(true);
  });

  it('breaks at any changed character that is not white space (property)', () => {
    const text = JSON.stringify(sealed);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('0', 'z', '}', '"'), (at, character) => {
        fc.pre(text[at] !== character);
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        const result = errorOf(changed);
        expect(isHoldfastError(result, 'VerificationFailed', 'UnsupportedFormat')).toBe(true);
      }),
    );
  });

  const [part] = content.parts;
  it.each([
    ['a pack of another backup', 'orders/backups/20261122T101530Z-logical-zzzz/rs0/packs/0001-00001.pack'],
    ['a pack of another deployment', 'payroll/backups/20261122T101530Z-logical-k3f9/rs0/packs/0001-00001.pack'],
    ['a pack of another part', 'orders/backups/20261122T101530Z-logical-k3f9/rs1/packs/0001-00001.pack'],
    ['a file of the machine', '../../etc/passwd'],
  ])('does not make good what names %s', (_what, key) => {
    const base = { ...part?.base, packs: [{ ...stored, key }] };
    const hostile = sealManifest({ ...content, parts: [{ ...part, base }] } as UnsealedManifest, sha256);
    expect(errorOf(JSON.stringify(hostile))).toMatchObject({
      name: 'VerificationFailed',
      message: expect.stringContaining(`"${key}", which is not of this backup`) as string,
    });
  });

  it.each(['../rs0', 'a/b'])('does not make good a part called %s', (name) => {
    const base = { ...part?.base, index: { ...stored, sha256: 'x', key: stored.key.replace('rs0', name) } };
    const hostile = sealManifest({ ...content, parts: [{ ...part, name, base }] } as UnsealedManifest, sha256);
    expect(errorOf(JSON.stringify(hostile))).toMatchObject({ name: 'VerificationFailed' });
  });

  it('is not asked of what a newer release wrote', () => {
    const error = errorOf(JSON.stringify({ ...sealed, schemaVersion: 2, somethingNew: true }));
    expect(isHoldfastError(error, 'UnsupportedFormat')).toBe(true);
  });

  it.each(['', '{', 'null', '[]', '42', '{"schemaVersion":1}'])('fails on %j with an error of the product', (text) => {
    expect(isHoldfastError(errorOf(text), 'VerificationFailed')).toBe(true);
  });
});
