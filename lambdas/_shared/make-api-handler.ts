import { gzipSync } from 'node:zlib';
import middy from '@middy/core';
import type { APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import * as z from 'zod';
import {
  type ApiAnswer,
  answerRequest,
  type ApiRequest,
  type OperationWork,
} from '../../src/application/api/answer-request.ts';
import { problemOf } from '../../src/application/api/problem.ts';
import type { Logger } from '../../src/application/ports/logger.ts';
import { type ApiOperation, routeKeyOf } from '../../src/domain/api-routes.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { asHoldfastError } from '../../src/domain/failure.ts';

/** Milliseconds before the function's time is over: time to say so. */
const timeoutEarly = 2_000;
/** Characters; Lambda hands on 6 MB, the rest of the answer included. */
const longestAnswer = 5_500_000;
const worthPacking = 100_000;

/** The operations that a function does. */
export type ApiWork = { readonly [Name in ApiOperation]?: OperationWork<Name> };
export type ApiHandler = (event: unknown, context: Context) => Promise<APIGatewayProxyStructuredResultV2>;

/**
 * An event of an HTTP API, payload format 2.0. Without an identity of IAM it is refused: a route that lost its authorization
 * answers nobody.
 */
const eventSchema = z.object({
  routeKey: z.string(),
  headers: z.record(z.string(), z.string()),
  pathParameters: z.record(z.string(), z.string()).optional(),
  queryStringParameters: z.record(z.string(), z.string()).optional(),
  body: z.string().optional(),
  isBase64Encoded: z.boolean(),
  requestContext: z.object({
    requestId: z.string(),
    http: z.object({ sourceIp: z.string() }),
    authorizer: z.object({ iam: z.object({ userArn: z.string().startsWith('arn:') }) }),
  }),
});
type GatewayEvent = z.output<typeof eventSchema>;

/**
 * A function behind routes of the HTTP API: checks the request, does the operation, and answers with JSON, or with a problem
 * of RFC 9457 by the product's codes, without stack and secrets. A defect is told to the log only.
 */
export function makeApiHandler(work: ApiWork, { logger }: { readonly logger: Logger }): ApiHandler {
  return middy<unknown, APIGatewayProxyStructuredResultV2>({
    timeoutEarlyInMillis: timeoutEarly,
    timeoutEarlyResponse: () => {
      throw new HoldfastError('StepTimedOut', 'the answer could not be given in its time', {
        next: 'Ask for less, or again.',
      });
    },
  })
    .onError((request) => {
      const failure = asHoldfastError(request.error);
      const requestId = requestIdOf(request.event, request.context);
      const problem = problemOf(failure, requestId);
      const { name, code, message: reason } = failure;
      const fields = { requestId, name, code, reason };
      if (problem.status >= 500) logger.error('a request could not be answered', fields);
      else logger.info('a request was refused', fields);
      request.response = respond({ status: problem.status, body: problem }, 'application/problem+json');
    })
    .handler(async (event) => {
      const request = eventSchema.parse(event);
      const answer = await answerWith(work, request);
      return respond(answer, 'application/json', /\bgzip\b/.test(request.headers['accept-encoding'] ?? ''));
    });
}

async function answerWith(work: ApiWork, event: GatewayEvent): Promise<ApiAnswer> {
  const request = toApiRequest(event);
  const name = (Object.keys(work) as ApiOperation[]).find((operation) => routeKeyOf(operation) === event.routeKey);
  const found = name === undefined ? undefined : work[name];
  if (name === undefined || found === undefined) {
    throw new HoldfastError('Internal', `the route ${event.routeKey} leads to a function that does not know it`);
  }
  return answerRequest(name, found as OperationWork<typeof name>, request);
}

function toApiRequest(event: GatewayEvent): ApiRequest {
  const { authorizer, http } = event.requestContext;
  return {
    pathParameters: event.pathParameters ?? {},
    query: event.queryStringParameters ?? {},
    body: event.isBase64Encoded ? Buffer.from(event.body ?? '', 'base64').toString('utf8') : event.body,
    idempotencyKey: event.headers['idempotency-key'],
    requestedBy: `api:${authorizer.iam.userArn} from ${http.sourceIp}`,
  };
}

function requestIdOf(event: unknown, { awsRequestId }: Context): string {
  const parsed = z.object({ requestContext: z.object({ requestId: z.string() }) }).safeParse(event);
  return parsed.success ? parsed.data.requestContext.requestId : awsRequestId;
}

/** @throws InvalidInput for an answer that Lambda would not hand on */
function respond({ status, body }: ApiAnswer, type: string, packed = false): APIGatewayProxyStructuredResultV2 {
  const headers = { 'content-type': type, 'cache-control': 'no-store' };
  const text = JSON.stringify(body);
  const result: APIGatewayProxyStructuredResultV2 =
    packed && text.length > worthPacking
      ? {
          ...{ statusCode: status, headers: { ...headers, 'content-encoding': 'gzip' } },
          ...{ body: gzipSync(text).toString('base64'), isBase64Encoded: true },
        }
      : { statusCode: status, headers, body: text };
  if (Buffer.byteLength(result.body ?? '') <= longestAnswer) return result;
  throw new HoldfastError('InvalidInput', `the answer has ${text.length} characters, more than can be handed on`, {
    next: 'Send Accept-Encoding: gzip, or ask for less.',
  });
}
