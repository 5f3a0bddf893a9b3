import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What EC2 answers in place of what was asked. */
export interface Ec2Refusal {
  readonly code: string;
  readonly message?: string;
  /** Default 400. */
  readonly status?: number;
}

interface Order {
  readonly action: string;
  readonly refusal: Ec2Refusal | 'lost';
  left: number;
}

type Rewrite = (answer: string, parameters: URLSearchParams) => string | Promise<string>;

/**
 * EC2 between the SDK and moto, for what moto can't: it refuses as EC2 does, loses answers to what was done, and tells of
 * states that moto's snapshots never have. Nothing of the SDK is replaced.
 */
export class Ec2Front {
  /** What came, in order. */
  readonly seen: { readonly action: string; readonly parameters: URLSearchParams }[] = [];
  readonly #target: string;
  readonly #server = createServer((request, response) => {
    this.#handle(request, response).catch(() => request.socket.destroy());
  });
  readonly #orders: Order[] = [];
  readonly #rewrites = new Map<string, Rewrite>();

  private constructor(target: string) {
    this.#target = target;
  }

  static async start(target: string): Promise<Ec2Front> {
    const front = new Ec2Front(target);
    front.#server.listen(0, '127.0.0.1');
    await once(front.#server, 'listening');
    return front;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next calls of an action are refused; nothing is done. */
  refuse(action: string, refusal: Ec2Refusal, times = 1): void {
    this.#orders.push({ action, refusal, left: times });
  }

  /** The next call of an action is carried out, and the connection breaks before its answer. */
  lose(action: string): void {
    this.#orders.push({ action, refusal: 'lost', left: 1 });
  }

  /** Every answer to an action goes through this, until {@link reset}. */
  rewrite(action: string, change: Rewrite): void {
    this.#rewrites.set(action, change);
  }

  count(action: string): number {
    return this.seen.filter((one) => one.action === action).length;
  }

  reset(): void {
    this.#orders.length = 0;
    this.seen.length = 0;
    this.#rewrites.clear();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const parameters = new URLSearchParams(body);
    const action = parameters.get('Action') ?? '';
    this.seen.push({ action, parameters });
    const order = this.#orders.find((one) => one.action === action && one.left > 0);
    if (order) order.left -= 1;
    if (order !== undefined && order.refusal !== 'lost') {
      refuse(order.refusal, response);
      return;
    }
    const { authorization = '', 'content-type': type = '' } = request.headers;
    const headers = { authorization, 'content-type': type };
    const answer = await fetch(this.#target, { method: 'POST', headers, body: forMoto(parameters).toString() });
    const rewrite = this.#rewrites.get(action) ?? ((same: string) => same);
    const told = await rewrite(await answer.text(), parameters);
    if (order?.refusal === 'lost') request.socket.destroy();
    else response.writeHead(answer.status, { 'content-type': 'text/xml' }).end(told);
  }
}

/** The same question, as far as moto puts it otherwise: it has no filter by addresses of interfaces, and patterns of Python's. */
function forMoto(asked: URLSearchParams): URLSearchParams {
  const told = new URLSearchParams();
  for (const [key, value] of asked) {
    const literal = /^Filter\.\d+\.Value/.test(key) ? value.replace(/\\([*?])/g, '[$1]') : value;
    told.append(key, literal === 'network-interface.addresses.private-ip-address' ? 'private-ip-address' : literal);
  }
  return told;
}

/** The document that EC2 sends: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html */
function refuse({ code, message = 'as the test wants it', status = 400 }: Ec2Refusal, response: ServerResponse): void {
  const errors = `<Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors>`;
  response
    .writeHead(status, { 'content-type': 'text/xml;charset=UTF-8' })
    .end(`<?xml version="1.0" encoding="UTF-8"?>\n<Response>${errors}<RequestID>front</RequestID></Response>`);
}
