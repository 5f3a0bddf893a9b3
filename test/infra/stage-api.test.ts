import { describe, expect, it } from 'vitest';
import { apiFunctions, operationFunctions } from '../../lib/functions/function-list.ts';
import { operations } from '../../src/application/api/operations.ts';
import { type ApiOperation, routeKeyOf } from '../../src/domain/api-routes.ts';
import { FakeHttpApi } from '../support/aws/fake-http-api.ts';
import { sharedStage } from '../support/aws/shared-stage.ts';
import { policiesOf } from '../support/aws/role-policies.ts';
import { resourceNamed, type Template } from '../support/aws/template.ts';

const template = (): Template => sharedStage().template;

describe('the API of a stage', () => {
  it('has a route for each operation, which leads to its function and demands a signature', () => {
    const { routes } = new FakeHttpApi(template(), () => Promise.reject(new Error('not called')));
    const names = Object.keys(operations) as ApiOperation[];
    expect(routes.map(({ routeKey, folder, authorizationType }) => [routeKey, folder, authorizationType])).toEqual(
      names.map((name) => [routeKeyOf(name), apiFunctions[operationFunctions[name]].folder, 'AWS_IAM']),
    );
  });

  it('is throttled, logs who asked for what and no data, and is found by SSM and the stack’s output', () => {
    const { Properties } = resourceNamed(template(), 'AWS::ApiGatewayV2::Stage', 'StageName', '$default');
    expect(Properties).toMatchObject({
      AutoDeploy: true,
      DefaultRouteSettings: { ThrottlingBurstLimit: 20, ThrottlingRateLimit: 10 },
    });
    const { Format } = Properties['AccessLogSettings'] as { Format: string };
    expect(Object.keys(JSON.parse(Format) as object)).toEqual(
      expect.arrayContaining(['requestId', 'routeKey', 'caller', 'sourceIp', 'status']),
    );
    expect(Format).not.toMatch(/header|body|querystring/i);
    const parameter = resourceNamed(template(), 'AWS::SSM::Parameter', 'Name', '/holdfast/test/api-url');
    const { Outputs } = template() as Template & { Outputs: Record<string, { Value: unknown }> };
    expect(parameter.Properties['Value']).toEqual(Outputs['ApiUrl']?.Value);
  });

  it('is read by functions that can start and change nothing', () => {
    const writes = /:(Start|Stop|Put|Delete|Send|Abort|Run|Redrive)/;
    const allowed = (name: keyof typeof apiFunctions): [string, string][] => {
      const functionName = `holdfast-test-${apiFunctions[name].folder}`;
      const { Properties } = resourceNamed(template(), 'AWS::Lambda::Function', 'FunctionName', functionName);
      const [role = ''] = (Properties['Role'] as { 'Fn::GetAtt': string[] })['Fn::GetAtt'];
      const statements = policiesOf(template()).get(role) ?? [];
      const ours = statements.filter(({ actions }) => !actions.some((action) => /^(logs|xray):/.test(action)));
      return ours.flatMap(({ actions, resources }) =>
        actions
          .filter((action) => writes.test(action))
          .map((action) => [action, resources.join(' ')] as [string, string]),
      );
    };
    for (const name of ['ListBackups', 'DescribeBackup', 'ShowRecoveryWindow', 'ShowRuns'] as const)
      expect(allowed(name), name).toEqual([]);
    expect(allowed('StartBackup')).toEqual([['states:StartExecution', expect.stringMatching(/-backup$/) as string]]);
    expect(allowed('StartRestore')).toEqual([['states:StartExecution', expect.stringMatching(/-restore$/) as string]]);
    expect(allowed('RetryRun')).toEqual([
      ['states:StartExecution', expect.stringMatching(/^\S+-backup \S+-restore$/) as string],
    ]);
    expect(allowed('CancelRun')).toEqual([['s3:PutObject', expect.stringMatching(/\/runs\/\*\/cancel$/) as string]]);
  });
});
