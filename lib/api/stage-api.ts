import * as cdk from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import * as gateway from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { type ApiOperation, apiRoutes } from '../../src/domain/api-routes.ts';
import { stageNames } from '../../src/domain/names.ts';

export interface StageApiProps {
  readonly stage: string;
  readonly key: kms.IKey;
  /** What does each operation. */
  readonly functions: Readonly<Record<ApiOperation, lambda.IFunction>>;
}

/** Requests a second of the whole API, and how many may come at once: people and pipelines, not crowds. */
const throttle: gateway.ThrottleSettings = { rateLimit: 10, burstLimit: 20 };

/** Who asked for what, when, from where, and how it ended; no header, body or query. */
const accessLog = {
  requestId: '$context.requestId',
  time: '$context.requestTime',
  routeKey: '$context.routeKey',
  path: '$context.path',
  status: '$context.status',
  caller: '$context.identity.userArn',
  sourceIp: '$context.identity.sourceIp',
  milliseconds: '$context.responseLatency',
  error: '$context.error.message',
};

/**
 * The HTTP API of a stage. Every route demands a request that is signed (SigV4) by somebody whom IAM allows
 * `execute-api:Invoke` on it; who asked for what is in the access log. Its address is in SSM, for the command line.
 */
export class StageApi extends Construct {
  readonly api: gateway.HttpApi;
  /** Where the address is read from. */
  readonly urlParameter: ssm.StringParameter;

  constructor(scope: Construct, id: string, { stage, key, functions }: StageApiProps) {
    super(scope, id);
    const apiName = `holdfast-${stage}`;
    this.api = new gateway.HttpApi(this, 'Http', {
      apiName,
      description: `Holdfast ${stage}: backups, restores and runs (docs/openapi.json)`,
      createDefaultStage: false,
      defaultAuthorizer: new HttpIamAuthorizer(),
    });
    for (const operation of Object.keys(apiRoutes) as ApiOperation[]) this.#addRoute(operation, functions[operation]);
    const logGroup = new logs.LogGroup(this, 'AccessLog', {
      logGroupName: `/aws/vendedlogs/apis/${apiName}`,
      retention: logs.RetentionDays.THREE_MONTHS,
      encryptionKey: key,
      removalPolicy: cdk.RemovalPolicy.DESTROY,
    });
    new gateway.HttpStage(this, 'Stage', {
      httpApi: this.api,
      stageName: '$default',
      autoDeploy: true,
      throttle,
      accessLogSettings: {
        destination: new gateway.LogGroupLogDestination(logGroup),
        format: apigateway.AccessLogFormat.custom(JSON.stringify(accessLog)),
      },
    });
    this.urlParameter = new ssm.StringParameter(this, 'Url', {
      parameterName: stageNames.apiUrlParameter(stage),
      description: `Address of the API of Holdfast ${stage}`,
      stringValue: this.api.apiEndpoint,
    });
  }

  #addRoute(operation: ApiOperation, handler: lambda.IFunction): void {
    const { method, path } = apiRoutes[operation];
    this.api.addRoutes({
      path,
      methods: [gateway.HttpMethod[method]],
      integration: new HttpLambdaIntegration(operation, handler),
    });
  }
}
