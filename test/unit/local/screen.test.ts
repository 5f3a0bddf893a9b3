import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { alignRows, openScreen } from '../../../local/demo/screen.ts';

function open(isTTY: boolean, silenced?: AbortSignal) {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY, columns: 40, getColorDepth: () => 8 });
  return {
    screen: openScreen(stream as unknown as NodeJS.WriteStream, silenced),
    written: () => (stream.read() as string | null) ?? '',
  };
}

describe('the screen of the demo', () => {
  test('without a terminal it writes whole lines, no colours, and nothing that is replaced later', () => {
    const { screen, written } = open(false);
    screen.chapter('Backup');
    screen.now('Dump Collections');
    screen.done('Dump Collections', '3 documents', 1.25);
    screen.table(['name', 'n'], [['orders', '1']]);
    expect(written()).toBe('\nBackup\n  ✓ Dump Collections        3 documents  1.3 s\n    name    n\n    orders  1\n');
  });

  test('on a terminal a moving line never exceeds it and is erased by what follows', () => {
    const { screen, written } = open(true);
    screen.now('x'.repeat(200));
    screen.note('done');
    const text = written();
    expect(text).toContain(`… ${'x'.repeat(34)}`);
    expect(text).not.toContain('x'.repeat(35));
    expect(text.lastIndexOf('\r\u001b[2K')).toBeGreaterThan(text.indexOf('x'));
  });

  test('once silenced it says nothing more', () => {
    const silence = new AbortController();
    const { screen, written } = open(true, silence.signal);
    silence.abort();
    screen.done('late');
    screen.now('later');
    expect(written()).toBe('');
  });

  test('columns are as wide as their widest cell, without spaces at the end', () => {
    expect(
      alignRows([
        ['a', 'b', ''],
        ['long', '1', 'x'],
      ]),
    ).toEqual(['a     b', 'long  1  x']);
  });
});
