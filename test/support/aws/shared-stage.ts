import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { synthesise } from './synthesise.ts';
import { readTemplate, type Template } from './template.ts';

export interface SharedStage {
  readonly outdir: string;
  /** Path of the template. */
  readonly file: string;
  readonly template: Template;
}

let made: SharedStage | undefined;

/** The stage with everything that a config may ask of it, synthesised once for all tests of a process; nobody changes it. */
export function sharedStage(): SharedStage {
  return (made ??= make());
}

function make(): SharedStage {
  const outdir = mkdtempSync(join(tmpdir(), 'holdfast-synth-'));
  process.once('exit', () => {
    rmSync(outdir, { recursive: true, force: true });
  });
  // cdk-nag's findings and CloudFormation's own rules end it.
  const file = synthesise(outdir);
  return { outdir, file, template: readTemplate(file) };
}
