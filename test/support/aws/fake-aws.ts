import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { authorizedRequests, schedulerRequests } from './authorized-requests.ts';
import type { AuthorizedRequest } from './role-policies.ts';

/** One request of an SDK client: who sent it (its access key id), and what for. */
export interface AwsCall extends AuthorizedRequest {
  readonly caller: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** An answer of a service: an object, or an error by its name. */
export class AwsError extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}
export type AwsAnswer = (body: Readonly<Record<string, unknown>>, caller: string) => unknown;

const services: Readonly<Record<string, string>> = {
  AmazonEC2ContainerServiceV20141113: 'ecs',
  AWSStepFunctions: 'states',
  AWSEvents: 'events',
  secretsmanager: 'secretsmanager',
};

/**
 * AWS as a process sees it that has AWS_ENDPOINT_URL: every request is recorded with who sent it; S3's, EC2's and those of
 * EventBridge Scheduler go on to moto, the other services' are answered by the test. The SDK in the bundle is the real one, so that the shapes are, too.
 */
export class FakeAws {
  readonly calls: AwsCall[] = [];
  /** By action. */
  readonly answers = new Map<string, AwsAnswer>();
  /** What IAM is asked about a request to EC2, whose resources have tags. */
  ec2Requests: (action: string, parameters: URLSearchParams) => Promise<readonly AuthorizedRequest[]> = () =>
    Promise.resolve([]);
  /** What moto answered, as who asked gets it. */
  ec2Reply: (action: string, xml: string) => string = (_action, xml) => xml;
  readonly #s3: URL;
  readonly #server: Server;

  constructor(s3Endpoint: string) {
    this.#s3 = new URL(s3Endpoint);
    this.#server = createServer((incoming, outgoing) => {
      this.#serve(incoming, outgoing).catch((error: unknown) => outgoing.destroy(error as Error));
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const [, caller = 'nobody', service] =
      /Credential=([^/]+)\/[^/]+\/[^/]+\/([^/]+)\//.exec(incoming.headers.authorization ?? '') ?? [];
    const target = incoming.headers['x-amz-target'];
    if (incoming.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true) {
      await this.#serveQuery(incoming, outgoing, caller);
      return;
    }
    if (service === 'scheduler') {
      await this.#serveScheduler(incoming, outgoing, caller);
      return;
    }
    if (typeof target !== 'string') {
      this.#forward(incoming, outgoing, caller);
      return;
    }
    const [prefix = '', operation = ''] = target.split('.');
    const body = JSON.parse((await bodyOf(incoming)).toString('utf8')) as Record<string, unknown>;
    const action = `${services[prefix] ?? prefix}:${operation}`;
    this.calls.push(...authorizedRequests(action, body).map((request) => ({ caller, ...request, body })));
    await this.#answer(action, body, caller, outgoing);
  }

  /** EC2, which takes forms and answers in XML: what the test answers, and else moto. */
  async #serveQuery(incoming: IncomingMessage, outgoing: ServerResponse, caller: string): Promise<void> {
    const body = await bodyOf(incoming);
    const parameters = new URLSearchParams(body.toString('utf8'));
    const action = `ec2:${parameters.get('Action') ?? ''}`;
    const requests = await this.ec2Requests(action, parameters);
    this.calls.push(...requests.map((one) => ({ caller, ...one, body: Object.fromEntries(parameters) })));
    const answer = this.answers.get(action);
    if (answer !== undefined) {
      const type = { 'content-type': 'text/xml' };
      try {
        const text = await answer(Object.fromEntries(parameters), caller);
        outgoing.writeHead(200, type).end(text);
      } catch (error) {
        const { name, message } = error as Error;
        const text = `<Code>${name}</Code><Message>${message}</Message>`;
        outgoing.writeHead(400, type).end(`<Response><Errors><Error>${text}</Error></Errors></Response>`);
      }
      return;
    }
    this.#sendOn(incoming, outgoing, body, (xml) => this.ec2Reply(action, xml));
  }

  /** EventBridge Scheduler: moto keeps its schedules, and calls nobody. */
  async #serveScheduler(incoming: IncomingMessage, outgoing: ServerResponse, caller: string): Promise<void> {
    const body = await bodyOf(incoming);
    const { method = '', url = '/' } = incoming;
    const given = body.length === 0 ? {} : (JSON.parse(body.toString('utf8')) as Record<string, unknown>);
    const requests = schedulerRequests(method, new URL(url, this.#s3), given);
    this.calls.push(...requests.map((one) => ({ caller, ...one, body: given })));
    const failing = this.answers.get(requests[0]?.action ?? '');
    if (failing === undefined) this.#sendOn(incoming, outgoing, body);
    else await this.#answer(requests[0]?.action ?? '', given, caller, outgoing);
  }

  #sendOn(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    body: Buffer,
    asAnswered = (text: string): string => text,
  ): void {
    const { hostname, port } = this.#s3;
    const { method = 'POST', url = '/', headers } = incoming;
    const onward = request({ hostname, port, method, path: url, headers }, (reply) => {
      void bodyOf(reply).then((text) => {
        const type = { 'content-type': reply.headers['content-type'] ?? 'text/xml' };
        outgoing.writeHead(reply.statusCode ?? 500, type).end(asAnswered(text.toString('utf8')));
      });
    });
    onward.on('error', () => outgoing.destroy());
    onward.end(body);
  }

  async #answer(
    action: string,
    body: Record<string, unknown>,
    caller: string,
    outgoing: ServerResponse,
  ): Promise<void> {
    const type = { 'content-type': 'application/x-amz-json-1.1' };
    try {
      const answer = this.answers.get(action);
      if (answer === undefined) throw new AwsError('AccessDeniedException', `nobody answers ${action} in this test`);
      const result = await answer(body, caller);
      outgoing.writeHead(200, type).end(JSON.stringify(result));
    } catch (error) {
      const { name, message } = error as Error;
      outgoing.writeHead(400, type).end(JSON.stringify({ __type: name, message }));
    }
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse, caller: string): void {
    const { method = 'GET', url = '/', headers } = incoming;
    const place = new URL(url, this.#s3);
    const deletes = method === 'POST' && place.searchParams.has('delete');
    if (!deletes) this.#record(caller, s3Call(method, place), ...lockCalls(headers, place));
    const { hostname, port } = this.#s3;
    const onward = request({ hostname, port, method, path: url, headers }, (answer) => {
      // Without the right to list, S3 says 403 where it would say 404, and the product takes it for a fault.
      const missing = answer.statusCode === 404;
      if (missing) this.#record(caller, bucketCall(place));
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.on('error', () => onward.destroy());
    if (deletes) this.#recordDeletes(incoming, caller, bucketOf(place));
    incoming.pipe(onward);
  }

  #record(caller: string, ...requests: readonly Pick<AuthorizedRequest, 'action' | 'resource'>[]): void {
    this.calls.push(...requests.map((request) => ({ caller, ...request, context: {}, body: {} })));
  }

  /** One request that deletes many objects needs the grant for each. */
  #recordDeletes(incoming: IncomingMessage, caller: string, bucket: string): void {
    let body = '';
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    incoming.on('end', () => {
      for (const [, key = ''] of body.matchAll(/<Key>([^<]*)<\/Key>/g)) {
        this.#record(caller, { action: 's3:DeleteObject', resource: `arn:aws:s3:::${bucket}/${key}` });
      }
    });
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function bucketCall(place: URL): { action: string; resource: string } {
  return { action: 's3:ListBucket', resource: `arn:aws:s3:::${bucketOf(place)}` };
}

function bucketOf({ pathname }: URL): string {
  return pathname.split('/')[1] ?? '';
}

/** Which IAM action a request to S3 needs, and on what. */
function s3Call(method: string, { pathname, searchParams }: URL): { action: string; resource: string } {
  const [bucket = '', ...rest] = pathname.slice(1).split('/');
  const key = rest.map(decodeURIComponent).join('/');
  if (key === '') return { action: bucketAction(searchParams), resource: `arn:aws:s3:::${bucket}` };
  return { action: objectAction(method, searchParams), resource: `arn:aws:s3:::${bucket}/${key}` };
}

/** An object that is locked as it is written needs grants of their own for it. */
function lockCalls(headers: IncomingMessage['headers'], place: URL): { action: string; resource: string }[] {
  const { resource } = s3Call('PUT', place);
  return [
    ...(headers['x-amz-object-lock-mode'] === undefined ? [] : [{ action: 's3:PutObjectRetention', resource }]),
    ...(headers['x-amz-object-lock-legal-hold'] === undefined ? [] : [{ action: 's3:PutObjectLegalHold', resource }]),
  ];
}

function bucketAction(query: URLSearchParams): string {
  if (query.has('uploads')) return 's3:ListBucketMultipartUploads';
  return 's3:ListBucket';
}

function objectAction(method: string, query: URLSearchParams): string {
  if (method === 'DELETE') return query.has('uploadId') ? 's3:AbortMultipartUpload' : 's3:DeleteObject';
  if (query.has('retention')) return 's3:PutObjectRetention';
  if (method === 'PUT' || method === 'POST') return 's3:PutObject';
  return query.has('uploadId') ? 's3:ListMultipartUploadParts' : 's3:GetObject';
}
