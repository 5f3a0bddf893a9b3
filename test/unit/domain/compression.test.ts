import { describe, expect, it } from 'vitest';
import { chooseCompression, compressionSchema } from '../../../src/domain/compression.ts';

describe('compression of a deployment', () => {
  it.each([{}, { codec: 'zstd', level: 19 }, { level: 1 }, { codec: 'gzip', level: 9 }, { codec: 'none' }])(
    'takes %j',
    (given) => {
      expect(compressionSchema.parse(given)).toEqual({ codec: 'zstd', ...given });
    },
  );

  it.each([
    [{ codec: 'zstd', level: 20 }, /./],
    [{ codec: 'zstd', level: 0 }, /./],
    [{ level: 1.5 }, /./],
    [{ codec: 'gzip', level: 10 }, /gzip takes 1 to 9/],
    [{ codec: 'none', level: 1 }, /none takes none/],
    [{ codec: 'lz4' }, /./],
  ])('refuses %j', (given, message) => {
    const parsed = compressionSchema.safeParse(given);
    expect(parsed.error?.issues.map((issue) => issue.message).join()).toMatch(message);
  });
});

describe('compression of one backup', () => {
  const deployment = { codec: 'zstd', level: 7 } as const;

  it.each([
    [{}, { codec: 'zstd', level: 7 }],
    [{ level: 3 }, { codec: 'zstd', level: 3 }],
    [{ codec: 'zstd' }, { codec: 'zstd', level: 7 }],
    // The deployment's level is one of its codec.
    [{ codec: 'gzip' }, { codec: 'gzip', level: 6 }],
    [
      { codec: 'gzip', level: 2 },
      { codec: 'gzip', level: 2 },
    ],
    [{ codec: 'none' }, { codec: 'none', level: 0 }],
  ] as const)('of %j is %j', (asked, chosen) => {
    expect(chooseCompression(asked, deployment)).toEqual(chosen);
  });

  it('has the usual level of its codec when nobody names one', () => {
    expect(chooseCompression({}, { codec: 'gzip' })).toEqual({ codec: 'gzip', level: 6 });
    expect(chooseCompression({}, { codec: 'zstd' })).toEqual({ codec: 'zstd', level: 1 });
  });

  it.each([
    [{ codec: 'gzip', level: 12 }, 'zstd', /level 12 .*gzip takes 1 to 9/],
    [{ level: 12 }, 'gzip', /level 12 .*gzip takes 1 to 9/],
    [{ codec: 'none', level: 1 }, 'zstd', /level 1 .*none takes none/],
  ] as const)('refuses %j where the deployment has %s, and says what fits', (asked, codec, message) => {
    expect(() => chooseCompression(asked, { codec })).toThrow(
      expect.objectContaining({ name: 'InvalidInput', message: expect.stringMatching(message) as string }) as Error,
    );
  });
});
