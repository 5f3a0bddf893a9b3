import { gunzipSync } from 'node:zlib';
import type { APIGatewayProxyEventV2WithIAMAuthorizer, Context } from 'aws-lambda';
import { beforeEach, describe, expect, test } from 'vitest';
import { type ApiWork, makeApiHandler } from '../../../lambdas/_shared/make-api-handler.ts';
import type { Logger } from '../../../src/application/ports/logger.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';

const logged: string[] = [];
const note = (level: string) => (message: string, fields?: object) => {
  logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
};
const logger: Logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
beforeEach(() => {
  logged.length = 0;
});

/** Only what the handler looks at. */
const eventOf = (routeKey: string, headers: Record<string, string> = {}) =>
  ({
    ...{ version: '2.0', routeKey, rawPath: '/', rawQueryString: '', headers, isBase64Encoded: false },
    requestContext: {
      requestId: 'request-1',
      http: { sourceIp: '203.0.113.7' },
      authorizer: { iam: { userArn: 'arn:aws:iam::111122223333:user/alice' } },
    },
  }) as APIGatewayProxyEventV2WithIAMAuthorizer;
const call = (work: ApiWork, event: unknown, remaining = 29_000) =>
  makeApiHandler(work, { logger })(event, {
    awsRequestId: 'lambda-1',
    getRemainingTimeInMillis: () => remaining,
  } as Context);

const backupsOf = (count: number) => {
  const backup = {
    ...{ backupId: '20261122T101530Z-logical-k3f9', deployment: 'orders', storage: 'primary', method: 'logical' },
    ...{ restoreTime: { t: 1, i: 1 }, createdAt: '2026-11-22T10:15:30.000Z', finishedAt: '2026-11-22T10:15:30.000Z' },
    ...{ storedBytes: 1, rawBytes: 1, documents: 1, warnings: 0 },
  } as const;
  return { listAllBackups: () => Promise.resolve({ backups: Array.from({ length: count }, () => backup) }) };
};

describe('a function behind a route', () => {
  test('packs a large answer for who can unpack it', async () => {
    const plain = await call(backupsOf(1000), eventOf('GET /backups'));
    const packed = await call(backupsOf(1000), eventOf('GET /backups', { 'accept-encoding': 'gzip, br' }));
    expect(plain).toMatchObject({ statusCode: 200, headers: { 'cache-control': 'no-store' } });
    expect(packed).toMatchObject({ isBase64Encoded: true, headers: { 'content-encoding': 'gzip' } });
    expect(gunzipSync(Buffer.from(packed.body ?? '', 'base64')).toString('utf8')).toBe(plain.body);
  });

  test('says so when an answer is larger than Lambda hands on', async () => {
    const { statusCode, body } = await call(backupsOf(30_000), eventOf('GET /backups'));
    expect(statusCode).toBe(400);
    expect(body).toMatch(/"detail":"the answer has \d+ characters/);
  });

  test('tells a defect to its log, and the id of the request to who asked', async () => {
    const work: ApiWork = { listRuns: () => Promise.reject(new TypeError('secret of the house')) };
    const { statusCode, headers, body } = await call(work, eventOf('GET /runs'));
    expect([statusCode, headers?.['content-type']]).toEqual([500, 'application/problem+json']);
    expect(body).not.toContain('secret of the house');
    expect(body).toContain('"requestId":"request-1"');
    expect(logged).toEqual([expect.stringMatching(/^error .*request-1.*TypeError: secret of the house/)]);
  });

  test('answers in its time when the work does not', async () => {
    const work: ApiWork = { listRuns: () => new Promise(() => undefined) };
    const { statusCode, body } = await call(work, eventOf('GET /runs'), 2_001);
    expect(statusCode).toBe(503);
    expect(body).toContain('HF-7003');
  });

  test('refuses what a route of another function sends, and what nobody has signed', async () => {
    const work: ApiWork = { listRuns: () => Promise.reject(new HoldfastError('UnknownRun', 'reached')) };
    const { requestContext, ...event } = eventOf('GET /runs');
    const unsigned = { ...event, requestContext: { ...requestContext, authorizer: undefined } };
    for (const wrong of [eventOf('GET /backups'), unsigned, {}]) {
      expect(await call(work, wrong)).toMatchObject({ statusCode: 500 });
    }
  });
});
