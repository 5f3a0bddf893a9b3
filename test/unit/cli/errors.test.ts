import { describe, expect, it } from 'vitest';
import { errorRegistry, exitCodes, type ErrorName } from '../../../src/domain/error-registry.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { fakeClient, runFake } from './fake-environment.ts';

const failing = (error: Error) => ({ client: fakeClient({ listBackups: () => Promise.reject(error) }) });

describe('an error of the CLI', () => {
  it('says what is wrong, where, what was given, what to do next, code and page', async () => {
    const error = new HoldfastError('UnknownDeployment', 'No deployment is called "ordres".', {
      details: { where: 'deployments', given: 'ordres' },
      next: 'Did you mean orders?',
    });
    const { stderr } = await runFake(['list'], failing(error));
    expect(stderr).toBe(
      [
        'error: No deployment is called "ordres".',
        '  where: deployments',
        '  given: ordres',
        '  next:  Did you mean orders?',
        '  code:  HF-1003 UnknownDeployment, docs/errors.md#hf-1003',
        '',
      ].join('\n'),
    );
  });

  it('lists every problem of a config file once', async () => {
    const problems = [
      { path: 'storages.a.type', line: 3, given: 's4', expected: 'directory', next: 'Correct the value.' },
      { path: '', line: null, given: 'nothing', expected: 'a config', next: 'Add it.' },
    ];
    const error = new HoldfastError('InvalidConfig', 'x.yaml has 2 problems:\n  storages.a.type: …', {
      details: { problems },
    });
    const { stderr } = await runFake(['list'], failing(error));
    expect(stderr).toContain('error: x.yaml has 2 problems:\n  - storages.a.type (line 3)\n      given:    s4\n');
    expect(stderr).toContain('  - the file\n      given:    nothing\n');
    expect(stderr.match(/storages\.a\.type/g)).toHaveLength(1);
  });

  it.each(Object.keys(errorRegistry) as ErrorName[])('%s has the exit code of its kind', async (name) => {
    const { code } = await runFake(['list'], failing(new HoldfastError(name, 'x')));
    expect(code).toBe(exitCodes[errorRegistry[name].kind]);
    expect(code).toBeGreaterThan(1);
  });

  it('is one JSON document on stdout when JSON was asked for', async () => {
    const error = new HoldfastError('StorageFull', 'No room.', { details: { where: '/backups' } });
    const { stdout, code } = await runFake(['--output', 'json', 'list'], failing(error));
    expect(JSON.parse(stdout)).toEqual({
      error: {
        ...{ name: 'StorageFull', code: 'HF-4003', kind: 'storage', message: 'No room.', next: error.next },
        ...{ details: { where: '/backups' }, documentation: 'docs/errors.md#hf-4003' },
      },
    });
    expect(code).toBe(5);
  });

  it('of nobody’s foresight is Internal, without a stack unless asked for', async () => {
    const plain = await runFake(['list'], failing(new TypeError('x is undefined')));
    expect(plain.code).toBe(70);
    expect(plain.stderr).toContain('HF-9001');
    expect(plain.stderr).not.toMatch(/\n\s+at /);
    const env = { HOLDFAST_DEBUG: '1' };
    const debug = await runFake(['list'], { ...failing(new TypeError('x is undefined')), env });
    expect(debug.stderr).toMatch(/TypeError: x is undefined\n\s+at /);
  });

  it('never shows the credentials of a connection string, however they got into the text', async () => {
    const cause = new Error('connect mongodb://ada:hunter2@db.internal:27017/?tls=true');
    const uri = 'mongodb://ada:hunt@er2hunter2@db.internal/';
    const error = new HoldfastError('SourceUnreachable', `cannot reach ${uri}`, { cause, details: { given: uri } });
    const env = { HOLDFAST_DEBUG: '1' };
    const { stdout, stderr } = await runFake(['list', '--output', 'json'], { ...failing(error), env });
    expect(stdout + stderr).not.toContain('hunter2');
    expect(stderr).toContain('db.internal');
  });

  it('cannot be made to look like another by a name that holds a line feed', async () => {
    const error = new HoldfastError('CorruptSource', 'bad collection "a\nerror: b\u001b[2J"');
    const { stderr } = await runFake(['list'], failing(error));
    expect(stderr.match(/^error:/gm)).toHaveLength(1);
    expect(stderr).not.toContain('\u001b');
  });
});

describe('the log of the product', () => {
  const logging = (env: Record<string, string>, ...flags: string[]) =>
    runFake(['list', ...flags], {
      env,
      openClient: ({ logger }) => {
        logger.info('opened', { store: 'a\u001bb' });
        logger.warn('the credentials file can be read by others', { file: 'x' });
        logger.error('broken', { uri: 'mongodb://ada:hunter2@db/' });
        return Promise.resolve(fakeClient());
      },
    });

  it('shows warnings and errors as lines', async () => {
    const { stderr } = await logging({});
    expect(stderr).toBe(
      'warning: the credentials file can be read by others file=x\nerror: broken uri=mongodb://[redacted]@db/\n',
    );
  });

  it('shows all of it for debugging, and only errors with --quiet', async () => {
    expect((await logging({ HOLDFAST_DEBUG: '1' })).stderr).toContain('info: opened store=a\\x1bb\n');
    expect((await logging({}, '--quiet')).stderr).toBe('error: broken uri=mongodb://[redacted]@db/\n');
  });
});
