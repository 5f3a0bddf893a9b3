import type { APIGatewayProxyEventV2WithIAMAuthorizer, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { account, resolve, resourcesOf, type Template } from './template.ts';

interface Route {
  readonly routeKey: string;
  readonly pattern: RegExp;
  readonly authorizationType: string;
  /** Folder of the function under lambdas/. */
  readonly folder: string;
}

export interface ApiCall {
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON; a text as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** As clients that compress, or that send bytes, have it. */
  readonly base64?: boolean;
  /** Who signed the request; null for a request that nobody signed. */
  readonly caller?: string | null;
}

export interface ApiReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
}

export const caller = `arn:aws:sts::${account}:assumed-role/Operator/alice`;

/** API Gateway with the routes and integrations of a template: makes the event of payload format 2.0 and calls the function. */
export class FakeHttpApi {
  readonly routes: readonly Route[];
  readonly #invoke: (folder: string, payload: unknown) => Promise<unknown>;

  constructor(template: Template, invoke: (folder: string, payload: unknown) => Promise<unknown>) {
    this.#invoke = invoke;
    const integrations = new Map(resourcesOf(template, 'AWS::ApiGatewayV2::Integration'));
    this.routes = resourcesOf(template, 'AWS::ApiGatewayV2::Route').map(([, { Properties }]) => {
      const routeKey = String(Properties['RouteKey']);
      const integration = integrations.get(/^[^{]*integrations\/(.*)$/.exec(targetOf(Properties['Target']))?.[1] ?? '');
      const uri = String(resolve(template, integration?.Properties['IntegrationUri']));
      if (integration?.Properties['PayloadFormatVersion'] !== '2.0') throw new Error(`${routeKey}: not format 2.0`);
      return {
        routeKey,
        pattern: new RegExp(`^${routeKey.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
        authorizationType: String(Properties['AuthorizationType']),
        folder: uri.replace(/^.*:function:holdfast-test-/, ''),
      };
    });
  }

  async request(method: 'GET' | 'POST' | 'DELETE', path: string, call: ApiCall = {}): Promise<ApiReply> {
    const route = this.routes.find(({ pattern }) => pattern.test(`${method} ${path}`));
    if (route === undefined) return { status: 404, headers: {}, body: { message: 'Not Found' } };
    const result = (await this.#invoke(
      route.folder,
      makeEvent(route, method, path, call),
    )) as APIGatewayProxyStructuredResultV2;
    const text = Buffer.from(result.body ?? '', result.isBase64Encoded === true ? 'base64' : 'utf8');
    const body = result.isBase64Encoded === true ? {} : (JSON.parse(text.toString('utf8')) as Record<string, unknown>);
    return { status: result.statusCode ?? 200, headers: result.headers ?? {}, body };
  }
}

function targetOf(target: unknown): string {
  const [, parts] = (target as { 'Fn::Join': [string, (string | { Ref: string })[]] })['Fn::Join'];
  return parts.map((part) => (typeof part === 'string' ? part : part.Ref)).join('');
}

/** As https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html has it. */
function makeEvent(route: Route, method: string, path: string, call: ApiCall): unknown {
  const { query, body, headers = {}, base64 = false, caller: userArn = caller } = call;
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const iam: APIGatewayProxyEventV2WithIAMAuthorizer['requestContext']['authorizer']['iam'] = {
    ...{ accessKey: 'ASIAEXAMPLE', accountId: account, callerId: 'AROAEXAMPLE:alice', cognitoIdentity: null },
    ...{ principalOrgId: 'o-example', userArn: userArn ?? '', userId: 'AROAEXAMPLE:alice' },
  };
  const event: APIGatewayProxyEventV2WithIAMAuthorizer = {
    ...{ version: '2.0', routeKey: route.routeKey, rawPath: path },
    rawQueryString: new URLSearchParams(query).toString(),
    headers: { 'content-type': 'application/json', host: 'abc.execute-api.eu-central-1.amazonaws.com', ...headers },
    ...(query && { queryStringParameters: { ...query } }),
    requestContext: {
      ...{ accountId: account, apiId: 'abc', authorizer: { iam }, domainPrefix: 'abc', stage: '$default' },
      domainName: 'abc.execute-api.eu-central-1.amazonaws.com',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '203.0.113.7', userAgent: 'test' },
      ...{
        requestId: 'JKJaXmPLvHcESHA=',
        routeKey: route.routeKey,
        time: '22/Nov/2026:19:00:00 +0000',
        timeEpoch: 1795374000,
      },
    },
    ...(text !== undefined && { body: base64 ? Buffer.from(text).toString('base64') : text }),
    ...(route.pattern.exec(`${method} ${path}`)?.groups && {
      pathParameters: { ...route.pattern.exec(`${method} ${path}`)?.groups },
    }),
    isBase64Encoded: base64,
  };
  return userArn === null ? { ...event, requestContext: { ...event.requestContext, authorizer: undefined } } : event;
}
