import * as cdk from 'aws-cdk-lib';
import type * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { stageNames } from '../../src/domain/names.ts';
import { type FunctionName, isExpress, stateMachines, type WorkflowName } from '../../statemachines/manifest.ts';
import { checkedName } from '../checked-name.ts';
import { Workflow } from './workflow.ts';

export const workflowNames = Object.keys(stateMachines) as WorkflowName[];

export interface StageWorkflowsProps {
  readonly stage: string;
  readonly key: kms.IKey;
  readonly functionArns: Readonly<Record<FunctionName, string>>;
}

/** The state machines of a stage. */
export class StageWorkflows extends Construct {
  readonly all: Readonly<Record<WorkflowName, Workflow>>;

  constructor(scope: Construct, id: string, { stage, key, functionArns }: StageWorkflowsProps) {
    super(scope, id);
    const made = workflowNames.map((workflow) => {
      const stateMachineName = stateMachineNameOf(stage, workflow);
      return [workflow, new Workflow(this, workflow, { workflow, stateMachineName, key, functionArns })] as const;
    });
    this.all = Object.fromEntries(made) as Record<WorkflowName, Workflow>;
  }
}

/**
 * ARNs of the stage's machines and of their executions, by name: a machine refers to its functions, so that what functions
 * are told of machines can't refer to the machines.
 */
export function machineArns(
  stack: cdk.Stack,
  stage: string,
): { machines: string[]; machineArns: Record<WorkflowName, string>; executions: string[] } {
  const arn = (resource: string, name: string): string =>
    stack.formatArn({ service: 'states', resource, resourceName: name, arnFormat: cdk.ArnFormat.COLON_RESOURCE_NAME });
  const names = workflowNames.map((workflow) => [workflow, stateMachineNameOf(stage, workflow)] as const);
  const machines = names.map(([workflow, name]) => [workflow, arn('stateMachine', name)] as const);
  return {
    // Express executions can't be described, stopped or told apart: no function asks for them.
    machines: machines.filter(([workflow]) => !isExpress(workflow)).map(([, machine]) => machine),
    machineArns: Object.fromEntries(machines) as Record<WorkflowName, string>,
    executions: names.filter(([workflow]) => !isExpress(workflow)).map(([, name]) => arn('execution', `${name}:*`)),
  };
}

function stateMachineNameOf(stage: string, workflow: WorkflowName): string {
  return checkedName(stageNames.stateMachine(stage, workflow), 80, 'a state machine');
}
