import type * as iam from 'aws-cdk-lib/aws-iam';
import type { WorkflowName } from '../../statemachines/manifest.ts';
import { grant } from '../grant.ts';
import { grantPrune } from './prune-permissions.ts';
import type { apiFunctions } from './function-list.ts';
import { grantReadConfig, type GrantsProps } from './grants-props.ts';

const because = 'An execution gets its name when it starts.';

/**
 * The functions of the API. Those that read can start nothing; each that starts a workflow can start that one; a retry is of
 * either.
 */
export function apiGrants(props: GrantsProps): Readonly<Record<keyof typeof apiFunctions, (role: iam.Role) => void>> {
  const { permissions, machines, machineArns } = props;
  const readBackups = (role: iam.Role): void => {
    grantReadConfig(role, props);
    permissions.readArtifacts(role);
  };
  return {
    StartBackup: startOf('backup', props),
    StartRestore: startOf('restore', props),
    ListBackups: readBackups,
    DescribeBackup: readBackups,
    ShowRecoveryWindow: (role) => {
      readBackups(role);
      permissions.readState(role, ['archives']);
    },
    Prune: (role) => {
      grantPrune(role, props);
    },
    ShowRuns: (role) => {
      lookAtRuns(role, props);
      grant(role, { actions: ['states:ListExecutions'], resources: machines, purpose: 'Lists the newest runs' });
    },
    CancelRun: (role) => {
      lookAtRuns(role, props);
      permissions.requestCancel(role);
    },
    RetryRun: (role) => {
      lookAtRuns(role, props);
      grant(role, {
        actions: ['states:StartExecution'],
        resources: [machineArns.backup, machineArns.restore],
        purpose: 'Starts the workflow of the run that is retried',
      });
    },
  };
}

/** For a function that starts that workflow. */
export function startOf(workflow: WorkflowName, props: GrantsProps): (role: iam.Role) => void {
  return (role) => {
    grantReadConfig(role, props);
    props.permissions.readState(role, ['runs']);
    grant(role, {
      actions: ['states:StartExecution'],
      resources: [props.machineArns[workflow]],
      purpose: `Starts the workflow of a ${workflow}`,
    });
    grant(role, {
      actions: ['states:DescribeExecution'],
      resources: props.executions.filter((pattern) => pattern.endsWith(`-${workflow}:*`)),
      purpose: 'Compares a request that comes again with the first of its Idempotency-Key',
      because,
    });
  };
}

function lookAtRuns(role: iam.Role, { permissions, executions }: GrantsProps): void {
  permissions.readState(role, ['runs']);
  const actions = ['states:DescribeExecution', 'states:GetExecutionHistory'];
  grant(role, { actions, resources: executions, purpose: 'Looks how a run goes', because });
}
