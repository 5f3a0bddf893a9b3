// Writes docs/openapi.json from the operations of the API; with --check it only tells whether the file is up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createDocument,
  type ZodOpenApiObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import * as z from 'zod';
import packageJson from '../package.json' with { type: 'json' };
import { type Operation, operations } from '../src/application/api/operations.ts';
import { statusOf } from '../src/application/api/problem.ts';
import { problemSchema } from '../src/application/api/schemas.ts';
import { type ApiOperation, apiRoutes } from '../src/domain/api-routes.ts';
import { type ErrorName, errorRegistry } from '../src/domain/error-registry.ts';

const file = join(import.meta.dirname, '..', 'docs', 'openapi.json');

/** What any request may be answered with. */
const always = [
  'InvalidInput',
  'StorageUnavailable',
  'StepTimedOut',
  'Internal',
] as const satisfies readonly ErrorName[];

const idempotencyKey = z.strictObject({
  'Idempotency-Key': z.string().min(1).max(255).optional().meta({
    description:
      'Of the client’s choice, 1 to 255 visible ASCII characters: a request that comes again with it starts nothing.',
  }),
});

function problemsOf(names: readonly ErrorName[]): ZodOpenApiResponsesObject {
  const content = { 'application/problem+json': { schema: problemSchema } };
  const byStatus = Object.groupBy([...new Set(names)], (name) => String(statusOf(name)));
  const entries = Object.entries(byStatus).map(([status, same = []]) => {
    const lines = same.map((name) => `${errorRegistry[name].code} ${name}: ${errorRegistry[name].title}`);
    return [status, { description: lines.join(' '), content }] as const;
  });
  return Object.fromEntries(entries);
}

function operationOf(name: ApiOperation): ZodOpenApiOperationObject {
  const { summary, description, path, query, body, repeatable, status, answer, errors }: Operation = operations[name];
  return {
    operationId: name,
    summary,
    ...(description !== undefined && { description }),
    requestParams: {
      ...(Object.keys(path.shape).length > 0 && { path }),
      ...(Object.keys(query.shape).length > 0 && { query }),
      ...(repeatable && { header: idempotencyKey }),
    },
    ...(body && {
      requestBody: { required: !body.safeParse({}).success, content: { 'application/json': { schema: body } } },
    }),
    responses: {
      [status]: {
        description: status === 202 ? 'Accepted' : 'OK',
        content: { 'application/json': { schema: answer } },
      },
      '403': { description: 'The request is not signed, or IAM does not allow it: the answer of API Gateway.' },
      '429': { description: 'Too many requests at once: the answer of API Gateway.' },
      ...problemsOf([...errors, ...always]),
    },
  };
}

const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
for (const name of Object.keys(apiRoutes) as ApiOperation[]) {
  const { method, path } = apiRoutes[name];
  paths[path] = { ...paths[path], [method.toLowerCase()]: operationOf(name) };
}

const description: ZodOpenApiObject = {
  openapi: '3.1.0',
  info: {
    title: 'Holdfast',
    version: packageJson.version,
    license: { name: packageJson.license, identifier: packageJson.license },
    description:
      'Backups, restores and runs of one stage. Every request is signed with AWS Signature Version 4 for the service `execute-api` by somebody whom IAM allows `execute-api:Invoke`. Errors are problems of RFC 9457 with the codes of docs/errors.md.',
  },
  servers: [
    {
      url: '{url}',
      description: 'The SSM parameter /holdfast/<stage>/api-url, or the output ApiUrl of the stack.',
      variables: { url: { default: 'https://API-ID.execute-api.REGION.amazonaws.com' } },
    },
  ],
  security: [{ signature: [] }],
  components: {
    securitySchemes: {
      signature: {
        ...{ type: 'apiKey', in: 'header', name: 'Authorization' },
        description: 'AWS Signature Version 4, service execute-api.',
        'x-amazon-apigateway-authtype': 'awsSigv4',
      },
    },
  },
  paths: paths,
};

const document = createDocument(description, {
  // The format says it; zod's expression for it is four lines long.
  override: ({ jsonSchema }) => {
    if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
  },
});

const text = `${JSON.stringify(document, null, 2)}\n`;
if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (readFileSync(file, 'utf8') !== text) {
  console.error('docs/openapi.json is out of date: run `npm run api:document` and commit it.');
  process.exit(1);
}
