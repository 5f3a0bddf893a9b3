import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { HoldfastError } from '../../src/domain/errors.ts';
import { findMoto } from './find-moto.ts';
import { forgetProcess, watchProcess } from './reaper.ts';

/** An S3 server on 127.0.0.1, its objects in its memory, that takes every credential and dies with this process at the latest. */
export interface MotoServer {
  /** `http://127.0.0.1:port` */
  readonly endpoint: string;
  readonly pid: number;
  makeBucket(name: string, options?: { readonly objectLock?: boolean }): Promise<void>;
  stop(): Promise<void>;
}

// The port is chosen by the kernel; the server ends with its input, too.
const program = `
import logging, sys
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
`;

/** @throws HoldfastError S3ServerUnavailable */
export async function startMoto(): Promise<MotoServer> {
  const { python, packages } = await findMoto();
  const env = { PATH: process.env['PATH'], PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1' };
  const child = spawn(python, ['-s', '-c', program], { env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const pid = child.pid ?? -1;
  if (pid > 0) watchProcess(pid);
  const port = await portOf(child);
  const endpoint = `http://127.0.0.1:${port}`;
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as { unref?: () => void }).unref?.();
  return {
    endpoint,
    pid,
    makeBucket: (name, options) => makeBucket(endpoint, name, options),
    async stop() {
      forgetProcess(pid);
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.ref();
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function portOf(child: ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream }) {
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => (complaint = `${complaint}${text.toString()}`.slice(-2000)));
  const ended = once(child, 'exit').then(
    () => undefined,
    () => undefined,
  );
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([once(lines, 'line').then(([first]) => String(first)), ended]);
  lines.close();
  if (line !== undefined && /^\d+$/.test(line)) return Number(line);
  throw new HoldfastError('S3ServerUnavailable', `moto did not start: ${complaint.trim().split('\n').at(-1) ?? ''}`);
}

/** moto asks for no signature, so that this needs no SDK. */
async function makeBucket(
  endpoint: string,
  name: string,
  options: { readonly objectLock?: boolean } = {},
): Promise<void> {
  const headers: Record<string, string> = options.objectLock ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {};
  const answer = await fetch(`${endpoint}/${name}`, { method: 'PUT', headers });
  if (answer.ok) return;
  throw new HoldfastError('S3ServerUnavailable', `moto made no bucket: ${answer.status} ${await answer.text()}`);
}
