import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderBackup, renderBackupList, renderCollections } from '../../../cli/output/backup-tables.ts';
import { printable, safeJson } from '../../../cli/output/printable.ts';
import { renderRun, renderRunList } from '../../../cli/output/run-tables.ts';
import { renderTable } from '../../../cli/output/tables.ts';
import { formatBytes, formatMoment, formatRate, formatSeconds } from '../../../cli/output/units.ts';
import type { SnapshotBase, SnapshotFacts } from '../../../src/domain/base.ts';
import { makeManifest, makeProgress, makeRun, makeSummary } from './fake-environment.ts';

/** Any text, with the characters that do harm far more often than chance has them. */
const nasty = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\u001b', '\n', '\r', '\t', '\u0000', '\u007f', '\u009b', '\u202e', '\u2028', '\u200b', '\ud800'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
});
const active = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Surrogate}/u;

describe('text of others', () => {
  it('never reaches a terminal with anything that a terminal acts on', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        expect(printable(text)).not.toMatch(active);
      }),
    );
  });

  it('stays as it is where it is harmless', () => {
    expect(printable('shop.Bestellungen–2026 日本 🙂')).toBe('shop.Bestellungen–2026 日本 🙂');
  });

  it('shows what it was', () => {
    expect(printable('a\u001b[2J\n\u202eb')).toBe('a\\x1b[2J\\x0a\\u{202e}b');
  });

  it('means the same in JSON', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        const json = safeJson({ [text]: [text] });
        expect(json.replaceAll('\n', '')).not.toMatch(active);
        expect(JSON.parse(json)).toEqual({ [text]: [text] });
      }),
    );
  });

  it('breaks no table, whatever collections, labels, members and runs are called', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        const manifest = makeManifest({ labels: { [text]: text }, warnings: [text], requestedBy: text });
        const part = manifest.parts[0];
        const namespace = part?.base.method === 'logical' ? part.base.namespaces[0] : undefined;
        if (!part || !namespace) throw new Error('the fixture has a part and a namespace');
        namespace.ns = text;
        part.memberVerdicts = [{ host: text, eligible: true, reason: text }];
        const run = makeRun({ runId: text, state: text, progress: [makeProgress({ part: text, phase: text })] });
        const lines = [
          renderBackupList([makeSummary({ deployment: text, storage: text })]),
          renderBackup(manifest),
          renderCollections(manifest),
          renderRunList([run]),
          renderRun({ ...run, error: { name: text, code: text, message: text, next: text } }),
        ];
        expect(lines.join('\n').replaceAll('\n', '')).not.toMatch(active);
      }),
      { numRuns: 40 },
    );
  });
});

describe('units', () => {
  it.each([
    [0.42, '0.4 s'],
    [9.97, '10 s'],
    [59.4, '59 s'],
    [185, '3 min 05 s'],
    [7620, '2 h 07 min'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });

  it('shows bytes and rates in binary units', () => {
    expect([formatBytes(1 << 30), formatRate(1536)]).toEqual(['1 GiB', '1.5 KiB/s']);
  });

  it('shows a moment in UTC, and in local time where that differs', () => {
    const date = new Date('2026-11-22T23:15:30Z');
    expect(formatMoment(date, 'UTC')).toBe('2026-11-22 23:15:30 UTC');
    expect(formatMoment(date, 'Europe/Berlin')).toBe('2026-11-22 23:15:30 UTC / 2026-11-23 00:15:30 +01:00');
  });
});

describe('tables', () => {
  it('lists backups', () => {
    expect(renderBackupList([makeSummary()], 'UTC')).toMatchInlineSnapshot(`
      "┌───────────────────────────────┬────────────┬─────────┬─────────────────────────┬───────────┬───────┬────────┬─────────┬──────────┐
      │ backup                        │ deployment │ method  │ restores to             │ documents │ data  │ stored │ storage │ warnings │
      ├───────────────────────────────┼────────────┼─────────┼─────────────────────────┼───────────┼───────┼────────┼─────────┼──────────┤
      │ 20261122T101530Z-logical-k3f9 │ orders     │ logical │ 2026-11-22 10:15:30 UTC │ 12,345    │ 5 MiB │ 1 MiB  │ laptop  │ 0        │
      └───────────────────────────────┴────────────┴─────────┴─────────────────────────┴───────────┴───────┴────────┴─────────┴──────────┘"
    `);
  });

  it('keep their columns whatever is in them: wide characters, marks, several lines, nothing', () => {
    const rows = [
      ['数据', 'a'],
      ['e\u0301', ['two', 'lines']],
      ['😀', ''],
    ];
    expect(renderTable(['name', 'more'], rows)).toBe(
      [
        '┌──────┬───────┐',
        '│ name │ more  │',
        '├──────┼───────┤',
        '│ 数据 │ a     │',
        '│ e\u0301    │ two   │',
        '│      │ lines │',
        '│ 😀   │       │',
        '└──────┴───────┘',
      ].join('\n'),
    );
    expect(renderTable(['a'], [])).toBe('┌───┐\n│ a │\n└───┘');
  });

  it('says what to do where there is nothing', () => {
    expect(renderBackupList([])).toContain('`holdfast backup`');
    expect(renderRunList([])).toContain('`holdfast backup`');
  });

  it('describes a backup', () => {
    expect(renderBackup(makeManifest(), 'UTC')).toMatchInlineSnapshot(`
      "backup           20261122T101530Z-logical-k3f9
      deployment       orders (replicaSet)
      method           logical: the default
      restores to      2026-11-22 10:15:30 UTC
      timestamp        1795342530:7
      taken            2026-11-22 10:15:30 UTC, in 1 min 00 s
      data             12,345 documents in 2 collections and views, 5 MiB
      stored           1 MiB in laptop, 20.0 % of the data
      oplog            9 entries
      users and roles  included
      server           6.0.5, feature compatibility version 6.0
      asked by         cli:ada
      labels           ticket=42
      run              run-1
      warnings         none

      part       rs0
      read from  localhost:27020: hidden
      base       5 MiB in 10 s, 512 KiB/s, zstd
      oplog      1795342530:7 to 1795342530:7
      ┌─────────────────┬───────────────┬───────────────────┐
      │ member          │ could be read │ why               │
      ├─────────────────┼───────────────┼───────────────────┤
      │ localhost:27017 │ no            │ it is the primary │
      └─────────────────┴───────────────┴───────────────────┘"
    `);
  });

  it('says how a backup of files was snapshotted, and for how long the member was locked', () => {
    const { parts, ...manifest } = makeManifest();
    const [part] = parts;
    if (part?.base.method !== 'logical') throw new Error('a part of collections was expected');
    const { startedAt, finishedAt, captureFrom, applyFrom, rawBytes, member } = part.base;
    const described = (how: Pick<SnapshotFacts, 'consistency' | 'lockSeconds'>): string => {
      const base: SnapshotBase = {
        ...{ schemaVersion: 1, method: 'snapshot', member, layout: null, rawBytes, captureFrom, applyFrom },
        ...{ startedAt, finishedAt },
        snapshot: {
          ...{ type: 'directory', snapshots: [{ id: '/copy', volume: '/data', bytes: rawBytes }], filesystem: null },
          ...{ dataPath: '', takenAt: '2026-11-22T10:15:29.000Z', completedAt: finishedAt, ...how },
        },
      };
      return renderBackup({ ...manifest, method: 'snapshot', parts: [{ ...part, base }] }, 'UTC');
    };
    expect(described({ consistency: 'locked', lockSeconds: 1.84 })).toMatch(
      /^snapshot +2026-11-22 10:15:29 UTC, with the member locked against writes for 1\.8 s$/m,
    );
    expect(described({ consistency: 'crash', lockSeconds: null })).toMatch(
      /^snapshot +2026-11-22 10:15:29 UTC, at one instant, nothing locked$/m,
    );
  });

  it('shows collections and views', () => {
    expect(renderCollections(makeManifest())).toMatchInlineSnapshot(`
      "┌─────────────┬────────────┬───────────┬───────┬──────────────────┐
      │ collection  │ type       │ documents │ data  │ indexes          │
      ├─────────────┼────────────┼───────────┼───────┼──────────────────┤
      │ shop.orders │ collection │ 12,345    │ 5 MiB │ _id_, customer_1 │
      │ shop.open   │ view       │ –         │ –     │                  │
      └─────────────┴────────────┴───────────┴───────┴──────────────────┘"
    `);
  });

  it('lists runs', () => {
    const error = { name: 'OplogGap', code: 'HF-2009', message: 'a hole', next: 'again' };
    const runs = [
      makeRun(),
      makeRun({ runId: 'run-2', status: 'failed', error }),
      makeRun({ status: 'running', endedAt: null }),
    ];
    expect(renderRunList(runs, 'UTC')).toMatchInlineSnapshot(`
      "┌───────┬──────────┬────────────┬───────────────────┬─────────────────┬─────────────────────────┬────────────┐
      │ run   │ workflow │ deployment │ status            │ state           │ started                 │ took       │
      ├───────┼──────────┼────────────┼───────────────────┼─────────────────┼─────────────────────────┼────────────┤
      │ run-1 │ backup   │ orders     │ succeeded         │ Publish Outcome │ 2026-11-22 10:15:30 UTC │ 1 min 05 s │
      │ run-2 │ backup   │ orders     │ failed (OplogGap) │ Publish Outcome │ 2026-11-22 10:15:30 UTC │ 1 min 05 s │
      │ run-1 │ backup   │ orders     │ running           │ Publish Outcome │ 2026-11-22 10:15:30 UTC │ –          │
      └───────┴──────────┴────────────┴───────────────────┴─────────────────┴─────────────────────────┴────────────┘"
    `);
  });

  it('shows a run that goes on', () => {
    const run = makeRun({ status: 'running', endedAt: null, progress: [makeProgress()] });
    expect(renderRun(run, 'UTC')).toMatchInlineSnapshot(`
      "run         run-1
      workflow    backup
      deployment  orders
      status      running
      state       Publish Outcome
      started     2026-11-22 10:15:30 UTC
      progress    rs0 dump: 768 MiB of 1 GiB (75%), 1,234,567 documents, 100 MiB/s, 2.5 s left"
    `);
  });

  it('leaves the last progress of a run that succeeded out', () => {
    const run = makeRun({ status: 'succeeded', progress: [makeProgress()] });
    expect(renderRun(run, 'UTC')).not.toContain('progress');
  });
});
