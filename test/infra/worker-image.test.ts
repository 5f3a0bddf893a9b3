import { execFile } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { mongodBuild, mongodDownloads } from '../../src/domain/mongod-build.ts';
import { sharedStage, type SharedStage } from '../support/aws/shared-stage.ts';
import { resourcesOf } from '../support/aws/template.ts';
import { hadolint } from '../support/linters/linters.ts';

const run = promisify(execFile);

/** Nobody builds the image here: there is no Docker. What can be wrong before that is tested. */
const dockerfile = fileURLToPath(new URL('../../worker/Dockerfile', import.meta.url));

interface ImageAsset {
  readonly source: { readonly directory: string; readonly dockerBuildTarget: string; readonly platform: string };
}
interface BuildStage {
  readonly name: string;
  readonly from: string;
  readonly instructions: readonly (readonly [string, string])[];
}

/** Its stages, with lines joined that a backslash continues. */
function stagesOf(text: string): readonly BuildStage[] {
  const lines = text
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => /^([A-Z]+) +(.*)$/.exec(line)?.slice(1) as [string, string]);
  const starts = lines.flatMap(([name], index) => (name === 'FROM' ? [index] : []));
  return starts.map((start, index) => {
    const [, from = '', name = ''] = /^(?:--platform=\S+ )?(\S+) AS (\S+)$/.exec(lines[start]?.[1] ?? '') ?? [];
    return { name, from, instructions: lines.slice(start + 1, starts[index + 1]) };
  });
}

describe('the worker’s image', () => {
  const stages = stagesOf(readFileSync(dockerfile, 'utf8'));
  const named = (name: string) => stages.find((stage) => stage.name === name);
  let stage: SharedStage;
  let images: readonly { source: ImageAsset['source'] & { dockerBuildArgs?: Record<string, string> } }[];

  beforeAll(() => {
    stage = sharedStage();
    const assets = readFileSync(stage.file.replace('.template.json', '.assets.json'), 'utf8');
    images = Object.values(
      (JSON.parse(assets) as { dockerImages: Record<string, (typeof images)[number]> }).dockerImages,
    );
  });

  it('has nothing that hadolint finds', async () => {
    expect(await hadolint(dockerfile)).toEqual([]);
  });

  it('is Ubuntu 22.04 with the Node of the tests', () => {
    expect(named('worker')?.from).toBe('ubuntu:22.04');
    expect(named('worker-with-mongod')?.from).toBe('worker');
    expect(named('node')?.from).toBe(`node:${packageJson.devDependencies.node}-bookworm-slim`);
  });

  it('is not root, and has no shell in its path', () => {
    for (const name of ['worker', 'worker-with-mongod']) {
      const last = named(name)?.instructions.findLast(([instruction]) => instruction === 'USER');
      expect(last, name).toEqual(['USER', '10001:10001']);
    }
    const all = stages.flatMap(({ instructions }) => instructions);
    const started = all.filter(([name]) => name === 'ENTRYPOINT' || name === 'CMD');
    expect(started.map(([name, command]) => [name, (JSON.parse(command) as string[])[0]])).toEqual([
      ['ENTRYPOINT', '/usr/local/bin/node'],
    ]);
  });

  it('copies only from its folder, and from stages that there are', () => {
    const [image] = images;
    const folder = join(stage.outdir, image?.source.directory ?? '');
    for (const [, words] of stages.flatMap(({ instructions }) => instructions.filter(([name]) => name === 'COPY'))) {
      const [, from] = /--from=(\S+)/.exec(words) ?? [];
      const sources = words
        .split(' ')
        .filter((word) => !word.startsWith('--'))
        .slice(0, -1);
      if (from !== undefined)
        expect(
          stages.map(({ name }) => name),
          words,
        ).toContain(from);
      else for (const source of sources) expect(readFileSync(join(folder, source)).length, words).toBeGreaterThan(0);
    }
  });

  it('has the mongod that MongoDB publishes for it, compared with its checksum', () => {
    const mongod = named('mongod')?.instructions ?? [];
    const [, added = ''] = mongod.find(([name]) => name === 'ADD') ?? [];
    const tarball = `${mongodDownloads}/\${MONGODB_BUILD}.tgz`;
    expect(added).toBe(`${tarball} ${tarball}.sha256 ./`);
    const [, checked = ''] = mongod.find(([name]) => name === 'RUN') ?? [];
    expect(checked.indexOf('sha256sum --check --strict')).toBeGreaterThan(-1);
    expect(checked.indexOf('sha256sum --check --strict')).toBeLessThan(checked.indexOf('tar -xzf'));
  });

  it('unpacks the tarball when it matches its checksum, and refuses it when a byte differs', async () => {
    const [, script = ''] = named('mongod')?.instructions.find(([name]) => name === 'RUN') ?? [];
    const folder = join(stage.outdir, 'mongod');
    const unpack = () =>
      run('sh', ['-c', script], { cwd: folder, env: { ...process.env, MONGODB_BUILD: 'build' } }).then(
        () => 'unpacked',
        () => 'refused',
      );
    mkdirSync(join(folder, 'build', 'bin'), { recursive: true });
    writeFileSync(join(folder, 'build', 'bin', 'mongod'), 'a server');
    await run('tar', ['-czf', 'build.tgz', 'build'], { cwd: folder });
    const { stdout } = await run('sha256sum', ['build.tgz'], { cwd: folder });
    writeFileSync(join(folder, 'build.tgz.sha256'), stdout);
    expect(await unpack()).toBe('unpacked');
    expect(readFileSync(join(folder, 'bin', 'mongod'), 'utf8')).toBe('a server');
    appendFileSync(join(folder, 'build.tgz'), 'x');
    expect(await unpack()).toBe('refused');
  });

  it('is built once without mongod, and once for each version that a deployment names', () => {
    expect(images.map(({ source }) => [source.platform, source.dockerBuildTarget, source.dockerBuildArgs])).toEqual([
      ['linux/arm64', 'worker', undefined],
      ['linux/arm64', 'worker-with-mongod', { MONGODB_BUILD: mongodBuild('6.0.5', 'arm64') }],
    ]);
    expect(mongodBuild('6.0.5', 'arm64')).toBe('mongodb-linux-aarch64-ubuntu2204-6.0.5');
    expect(mongodBuild('6.0.5', 'x86_64')).toBe('mongodb-linux-x86_64-ubuntu2204-6.0.5');
  });
});

describe('workers with a volume', () => {
  const definitions = () => resourcesOf(sharedStage().template, 'AWS::ECS::TaskDefinition');

  it('get it when they are launched, and are root: files of mongod are its owner’s only', () => {
    const [, { Properties }] = definitions().find(([id]) => id.includes('Volume')) ?? ['', { Properties: {} }];
    expect(Properties).toMatchObject({
      Family: 'holdfast-test-worker-volume-6-0-5',
      Volumes: [{ Name: 'data', ConfiguredAtLaunch: true }, { Name: 'temporary' }],
      ContainerDefinitions: [
        {
          User: '0:0',
          ReadonlyRootFilesystem: true,
          // Log and key of a mongod that is started: nothing else of the file system can be written.
          MountPoints: [
            { SourceVolume: 'data', ContainerPath: '/data', ReadOnly: false },
            { SourceVolume: 'temporary', ContainerPath: '/tmp', ReadOnly: false },
          ],
        },
      ],
    });
  });

  it('are launched by one function: no other role may pass the role of their volumes, or run them', () => {
    const { template } = sharedStage();
    const [infrastructure = ['']] = resourcesOf(template, 'AWS::IAM::Role').filter(([id]) =>
      id.includes('Infrastructure'),
    );
    const [volume = ['']] = definitions().filter(([id]) => id.includes('Volume'));
    for (const [id] of [infrastructure, volume]) {
      const allowed = resourcesOf(template, 'AWS::IAM::Policy').filter(([, { Properties }]) =>
        JSON.stringify(Properties['PolicyDocument']).includes(id),
      );
      expect(allowed.map(([policy]) => policy)).toEqual([expect.stringMatching(/^FunctionsLaunchWorker/)]);
    }
  });

  it('leave the role behind with which ECS takes their volumes down', () => {
    const kept = Object.entries(sharedStage().template.Resources).filter(([id]) => id.includes('InfrastructureRole'));
    expect(kept.map(([, { Type, DeletionPolicy }]) => [Type, DeletionPolicy]).sort()).toEqual([
      ['AWS::IAM::Policy', 'Retain'],
      ['AWS::IAM::Role', 'Retain'],
    ]);
  });
});
