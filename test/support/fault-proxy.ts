import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as forwardTo,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** What a storage or the network does wrong, once. */
export type Fault =
  /** Answers itself; the storage never sees the request. `code` becomes an S3 error document. */
  | { readonly kind: 'answer'; readonly status: number; readonly code: string; readonly message?: string }
  /** Answers with this document; the storage never sees the request. */
  | { readonly kind: 'document'; readonly status: number; readonly body: string }
  /** The connection breaks before the storage sees the request. */
  | { readonly kind: 'reset before' }
  /** The storage does what was asked, and the connection breaks before it answers. */
  | { readonly kind: 'reset after' }
  /** The storage does what was asked; the answer is an error. */
  | { readonly kind: 'answer after'; readonly status: number; readonly code: string }
  /** The storage's answer, cut after so many bytes of its body. */
  | { readonly kind: 'truncate'; readonly bytes: number }
  /** The storage's answer up to so many bytes of its body, then nothing more, the connection open. */
  | { readonly kind: 'stall'; readonly bytes: number }
  /** The storage's answer, its body one byte at a time. */
  | { readonly kind: 'drip'; readonly everyMs: number }
  /** No answer at all, the connection open; the storage never sees the request. */
  | { readonly kind: 'silence' };

export interface ProxiedRequest {
  /** `PUT` and so on. */
  readonly method: string;
  /** The S3 operation, as far as method and query tell it. */
  readonly operation: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

interface Order {
  readonly fault: Fault;
  readonly when: (request: ProxiedRequest) => boolean;
  left: number;
}

/** Between a client and an HTTP storage: passes requests on as they are, but for the faults that a test orders. */
export class FaultProxy {
  /** What came, in order. */
  readonly seen: ProxiedRequest[] = [];
  readonly #server;
  readonly #target: URL;
  readonly #orders: Order[] = [];
  readonly #sockets = new Set<Socket>();
  #dropped: { readonly names: readonly string[]; readonly when: Order['when'] } | undefined;
  #turn: Promise<unknown> | undefined;

  private constructor(target: string, tls: { readonly cert: string; readonly key: string } | undefined) {
    this.#target = new URL(target);
    const handle = (request: IncomingMessage, response: ServerResponse) => {
      this.#handle(request, response).catch(() => request.socket.destroy());
    };
    this.#server = tls ? createTlsServer(tls, handle) : createServer(handle);
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    });
  }

  static async start(target: string, tls?: { readonly cert: string; readonly key: string }): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, tls);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The next `times` requests that meet `when` get the fault; orders are looked through in their order. */
  order(fault: Fault, when: Order['when'] | string = () => true, times = 1): void {
    const meets = typeof when === 'string' ? (request: ProxiedRequest) => request.operation === when : when;
    this.#orders.push({ fault, when: meets, left: times });
  }

  /** Requests of an operation so far. */
  count(operation: string): number {
    return this.seen.filter((request) => request.operation === operation).length;
  }

  /** Forgets orders and what came. */
  reset(): void {
    this.#orders.length = 0;
    this.seen.length = 0;
    this.#dropped = undefined;
  }

  /** As a storage does that does not know these headers, or not for such requests. */
  dropHeaders(names: readonly string[], when: Order['when'] = () => true): void {
    this.#dropped = { names, when };
  }

  /** Passes on one request at a time: for a storage whose conditional writes are not exact when they race. */
  oneAtATime(): void {
    this.#turn = Promise.resolve();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const known = { method, url, headers, operation: operationOf(method, url, headers) };
    this.seen.push(known);
    const order = this.#orders.find((candidate) => candidate.left > 0 && candidate.when(known));
    if (order) order.left--;
    const body = await bytesOf(request);
    if (order && (await standsIn(order.fault, request, response))) return;
    const dropped = this.#dropped?.when(known) ? this.#dropped.names : [];
    const answer = await this.#inTurn(() => this.#forward(request, body, dropped));
    await reply(answer, order?.fault, request, response);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#turn) return work();
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #forward(request: IncomingMessage, body: Buffer, dropped: readonly string[]): Promise<Answer> {
    const headers = { ...request.headers };
    for (const name of dropped) Reflect.deleteProperty(headers, name);
    const { hostname, port } = this.#target;
    const forwarded = forwardTo({ hostname, port, method: request.method, path: request.url, headers, agent: false });
    forwarded.end(body);
    const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: await bytesOf(answer) };
  }
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Does what a fault does instead of the storage. @returns whether it did */
async function standsIn(fault: Fault, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  if (fault.kind === 'reset before') {
    request.socket.resetAndDestroy();
    return true;
  }
  if (fault.kind === 'silence') {
    await once(request.socket, 'close');
    return true;
  }
  if (fault.kind === 'document') {
    response.writeHead(fault.status, { 'content-type': 'application/xml' }).end(fault.body);
    return true;
  }
  if (fault.kind !== 'answer') return false;
  sendError(fault, request, response);
  return true;
}

async function reply(
  answer: Answer,
  fault: Fault | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const whole = { ...answer.headers };
  delete whole.connection;
  delete whole['transfer-encoding'];
  if (request.method !== 'HEAD') whole['content-length'] = String(answer.body.length);
  if (fault?.kind === 'reset after') {
    request.socket.resetAndDestroy();
    return;
  }
  if (fault?.kind === 'answer after') {
    sendError(fault, request, response);
    return;
  }
  response.writeHead(answer.status, whole);
  if (fault?.kind === 'truncate') {
    response.write(answer.body.subarray(0, fault.bytes), () => request.socket.end());
    return;
  }
  if (fault?.kind === 'stall') {
    response.write(answer.body.subarray(0, fault.bytes));
    await once(request.socket, 'close');
    return;
  }
  if (fault?.kind === 'drip') {
    await drip(answer.body, fault.everyMs, response);
    return;
  }
  response.end(answer.body);
}

async function drip(body: Buffer, everyMs: number, response: ServerResponse): Promise<void> {
  const closed = once(response, 'close');
  let at = 0;
  const timer = setInterval(() => response.write(body.subarray(at, ++at)), everyMs);
  await closed;
  clearInterval(timer);
}

function sendError(
  { status, code, message = 'as ordered by the test' }: { status: number; code: string; message?: string },
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  response.writeHead(status, { 'content-type': 'application/xml', 'x-amz-request-id': 'PROXY0000000000A' });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function operationOf(method: string, url: string, headers: IncomingHttpHeaders): string {
  const query = new URL(url, 'http://proxy').searchParams;
  if (query.has('uploads')) return method === 'POST' ? 'CreateMultipartUpload' : 'ListMultipartUploads';
  if (query.has('delete')) return 'DeleteObjects';
  if (query.has('list-type')) return 'ListObjectsV2';
  if (query.has('uploadId')) {
    return (
      { PUT: 'UploadPart', POST: 'CompleteMultipartUpload', DELETE: 'AbortMultipartUpload' }[method] ?? 'ListParts'
    );
  }
  if (method === 'PUT') return headers['x-amz-copy-source'] === undefined ? 'PutObject' : 'CopyObject';
  return { GET: 'GetObject', HEAD: 'HeadObject', DELETE: 'DeleteObject' }[method] ?? method;
}
