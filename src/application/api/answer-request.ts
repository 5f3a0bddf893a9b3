import * as z from 'zod';
import type { ApiOperation } from '../../domain/api-routes.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { type Operation, operations } from './operations.ts';

/** A request of the HTTP API, whatever brought it. */
export interface ApiRequest {
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** Who asks, for the record on the run. */
  readonly requestedBy: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

type Parsed<T> = T extends z.ZodType ? z.output<T> : undefined;

/** A request that was checked, as the work of its operation gets it. */
export interface CheckedRequest<Name extends ApiOperation> {
  readonly path: z.output<(typeof operations)[Name]['path']>;
  readonly query: z.output<(typeof operations)[Name]['query']>;
  readonly body: (typeof operations)[Name] extends { readonly body: infer Body } ? Parsed<Body> : undefined;
  readonly idempotencyKey: string | undefined;
  readonly requestedBy: string;
}

type DeepReadonly<T> = T extends object ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> } : T;

/** What an operation does, and what it answers: an answer that its schema does not describe does not compile. */
export type OperationWork<Name extends ApiOperation> = (
  request: CheckedRequest<Name>,
) => Promise<DeepReadonly<z.input<(typeof operations)[Name]['answer']>>>;

/** A request's body becomes the input of an execution, which may have 256 KiB. */
const longestBody = 65_536;

/** Checks a request by the schemas of its operation and has it done. @throws InvalidInput, and what the work throws */
export async function answerRequest<Name extends ApiOperation>(
  name: Name,
  work: OperationWork<Name>,
  request: ApiRequest,
): Promise<ApiAnswer> {
  const { path, query, status, body: bodySchema }: Operation = operations[name];
  const checkedRequest = {
    path: checked(path, request.pathParameters, 'the path'),
    query: checked(query, request.query, 'the query'),
    body: checkedBody(bodySchema, request.body),
    idempotencyKey: checkedKey(request.idempotencyKey),
    requestedBy: request.requestedBy,
  };
  return { status, body: await work(checkedRequest as CheckedRequest<Name>) };
}

function checked<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HoldfastError('InvalidInput', `${where}: ${z.prettifyError(parsed.error)}`, {
    next: 'docs/openapi.json says what each request may hold.',
  });
}

function parseBody(body: string | undefined): unknown {
  if (body === undefined || body === '') return {};
  const bytes = Buffer.byteLength(body);
  if (bytes > longestBody)
    throw new HoldfastError('InvalidInput', `the body has ${bytes} bytes, and may have ${longestBody}`);
  try {
    return JSON.parse(body) as unknown;
  } catch (cause) {
    // Not the parser's own message: it repeats what was sent.
    throw new HoldfastError('InvalidInput', 'the body is not JSON', { cause });
  }
}

/** An answer to a request that was only half understood would be a guess. */
function checkedBody(schema: z.ZodType | undefined, body: string | undefined): unknown {
  if (schema !== undefined) return checked(schema, parseBody(body), 'the body');
  if (body === undefined || body === '' || body === '{}') return undefined;
  throw new HoldfastError('InvalidInput', 'this request has no body', { next: 'Send it without.' });
}

function checkedKey(key: string | undefined): string | undefined {
  if (key === undefined || /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw new HoldfastError('InvalidInput', 'the Idempotency-Key is not 1 to 255 visible ASCII characters', {
    next: 'Send for example a UUID.',
  });
}
