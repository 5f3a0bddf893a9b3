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

// moto looks whether a condition holds and writes in two steps: of 40 races between 20 writers one had two winners (RAN,
// 5.2.1), where S3 has one. So requests are served one at a time here, each once its body is there. The port is chosen by
// the kernel; the server ends with its input, too.
const program = `
import io, logging, sys, threading
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app

logging.getLogger("werkzeug").setLevel(logging.ERROR)
moto = DomainDispatcherApplication(create_backend_app)
turn = threading.Lock()

def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    with turn:
        return [b"".join(moto(environ, start_response))]

server = make_server("127.0.0.1", 0, app, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
`;

/**
 * @param settings of moto: docs.getmoto.org/en/latest/docs/configuration
 * @throws HoldfastError ObjectServerUnavailable
 */
export async function startMoto(settings: Readonly<Record<`MOTO_${string}`, string>> = {}): Promise<MotoServer> {
  const { python, packages } = await findMoto();
  const env = { ...settings, PATH: process.env['PATH'], PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1' };
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
  throw new HoldfastError(
    'ObjectServerUnavailable',
    `moto did not start: ${complaint.trim().split('\n').at(-1) ?? ''}`,
  );
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
  throw new HoldfastError('ObjectServerUnavailable', `moto made no bucket: ${answer.status} ${await answer.text()}`);
}
