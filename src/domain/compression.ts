import * as z from 'zod';
import { type Codec, codecSchema } from './backup-index.ts';
import { HoldfastError } from './errors.ts';

/** How the frames of a backup are compressed, and what may be asked for. */

/** The levels that each codec takes and the one that is taken when nobody names one; null for a codec without levels. */
export const codecLevels: Readonly<Record<Codec, { least: number; most: number; usual: number } | null>> = {
  zstd: { least: 1, most: 19, usual: 1 },
  gzip: { least: 1, most: 9, usual: 6 },
  none: null,
};

/** As a backup is planned with it; level 0 for a codec without levels. */
export interface Compression {
  readonly codec: Codec;
  readonly level: number;
}

/** `zstd takes 1 to 19`. */
function levelsOf(codec: Codec): string {
  const levels = codecLevels[codec];
  return levels ? `${codec} takes ${levels.least} to ${levels.most}` : `${codec} takes none`;
}

/** What the codec takes, when it does not take that level; undefined when it does. */
function levelProblem(codec: Codec, level: number | undefined): string | undefined {
  const levels = codecLevels[codec];
  const fits = level === undefined || (levels !== null && level >= levels.least && level <= levels.most);
  return fits ? undefined : levelsOf(codec);
}

const levelSchema = z.int().min(1).max(19).meta({
  description: 'zstd: 1 to 19, default 1; gzip: 1 to 9, default 6; none has no level.',
});

/** Of a deployment in the config. */
export const compressionSchema = z
  .strictObject({ codec: codecSchema.default('zstd'), level: levelSchema.optional() })
  .superRefine(({ codec, level }, context) => {
    const problem = levelProblem(codec, level);
    if (problem) context.addIssue({ code: 'custom', path: ['level'], message: `a level that fits: ${problem}` });
  });

/** Of one backup: what is left out is the deployment's. */
export const compressionRequestSchema = z.strictObject({
  codec: codecSchema.optional(),
  level: levelSchema.optional(),
});

/**
 * What one backup is compressed with. A level of the deployment is one of its codec: another codec that is asked for
 * without a level has its own usual one.
 * @throws InvalidInput when the level does not fit the codec
 */
export function chooseCompression(
  asked: z.output<typeof compressionRequestSchema>,
  deployment: z.output<typeof compressionSchema>,
): Compression {
  const codec = asked.codec ?? deployment.codec;
  const level = asked.level ?? (codec === deployment.codec ? deployment.level : undefined);
  const problem = levelProblem(codec, level);
  if (problem !== undefined)
    throw new HoldfastError('InvalidInput', `the compression level ${level ?? 0} does not fit the codec: ${problem}`, {
      details: { where: 'compression.level', given: level ?? null },
      next: codecLevels[codec] ? 'Name a level that the codec takes, or none.' : 'Leave the level out.',
    });
  return { codec, level: level ?? codecLevels[codec]?.usual ?? 0 };
}
