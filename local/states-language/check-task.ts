import type { Checker } from './checker.ts';
import { isObject, type JsonObject } from './json.ts';
import { taskResources } from './state-machine.ts';

const parametersByResource: Readonly<Record<string, { required: string; allowed: readonly string[] }>> = {
  [taskResources.invoke]: { required: 'FunctionName', allowed: ['FunctionName', 'Payload'] },
  [taskResources.invokeWithToken]: { required: 'FunctionName', allowed: ['FunctionName', 'Payload'] },
  [taskResources.startExecution]: { required: 'StateMachineArn', allowed: ['StateMachineArn', 'Input', 'Name'] },
};

export function waitsForToken(state: JsonObject): boolean {
  return state['Resource'] === taskResources.invokeWithToken;
}

/** Checks a Task's resource, parameters and time limits. `templates` knows where $$.Task.Token exists: in its templates only. */
export function checkTask(checker: Checker, templates: Checker): void {
  checker.required('Resource', 'string');
  const resource = checker.value['Resource'];
  const known = typeof resource === 'string' && Object.hasOwn(parametersByResource, resource);
  if (typeof resource === 'string' && !known) {
    checker.report(
      'Resource',
      `is not a resource that this engine implements: ${Object.keys(parametersByResource).join(', ')}`,
    );
  }
  checker.required('Parameters', 'object');
  const paths = templates.templateMember('Parameters');
  templates.templateMember('ResultSelector');
  if (known) checkParameters(checker, resource);
  const waits = waitsForToken(checker.value);
  if (waits && !paths.some((path) => path.text === '$$.Task.Token' || path.text === '$$.Task' || path.text === '$$')) {
    checker.report('Parameters', 'does not pass $$.Task.Token: nobody could answer this task');
  }
  checkTimeLimits(checker, waits);
}

function checkParameters(checker: Checker, resource: string): void {
  const rules = parametersByResource[resource];
  const parameters = checker.value['Parameters'];
  if (!rules || !isObject(parameters)) return;
  for (const name of Object.keys(parameters)) {
    if (!rules.allowed.includes(name.replace(/\.\$$/, ''))) {
      checker.report('Parameters', `"${name}" is not a parameter that this engine implements for ${resource}`);
    }
  }
  if (!Object.hasOwn(parameters, rules.required) && !Object.hasOwn(parameters, `${rules.required}.$`)) {
    checker.report('Parameters', `needs ${rules.required}`);
  }
  const required = parameters[rules.required];
  if (required !== undefined && (typeof required !== 'string' || required === '')) {
    checker.report('Parameters', `${rules.required} must be a string`);
  }
}

function checkTimeLimits(checker: Checker, waits: boolean): void {
  checker.atMostOne('TimeoutSeconds', 'TimeoutSecondsPath');
  checker.atMostOne('HeartbeatSeconds', 'HeartbeatSecondsPath');
  checker.seconds('TimeoutSeconds', 1);
  checker.seconds('HeartbeatSeconds', 1);
  checker.pathMember('TimeoutSecondsPath', { reference: true });
  checker.pathMember('HeartbeatSecondsPath', { reference: true });
  const { TimeoutSeconds: timeout, HeartbeatSeconds: heartbeat } = checker.value;
  if (typeof timeout === 'number' && typeof heartbeat === 'number' && heartbeat >= timeout) {
    checker.report('HeartbeatSeconds', 'must be smaller than TimeoutSeconds');
  }
  for (const member of ['HeartbeatSeconds', 'HeartbeatSecondsPath']) {
    if (checker.has(member) && !waits) checker.report(member, 'only a task that waits for a token can send heartbeats');
  }
}
