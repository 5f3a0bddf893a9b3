import {
  EmbeddedExecutions,
  type Execution,
  type ExecutionResult,
  TaskTokenError,
} from '../../../local/states-language/executions.ts';
import { MemoryJournal } from '../../../local/states-language/journal.ts';
import { loadStateMachine } from '../../../local/states-language/load-state-machine.ts';
import { SystemClock } from '../../../src/adapters/process/system-clock.ts';
import { type WorkflowName, stateMachines } from '../../../statemachines/manifest.ts';
import { AwsError, type FakeAws } from './fake-aws.ts';
import { account, region, resolve, resourceNamed, type Template } from './template.ts';

interface KnownExecution {
  readonly execution: Execution;
  readonly machine: string;
  readonly input: string;
  readonly startDate: number;
  ended?: { readonly result: ExecutionResult; readonly stopDate: number };
}

type Body = Readonly<Record<string, unknown>>;

/** Step Functions with the machines of a template on the embedded engine: names, errors and shapes as the SDK documents them. */
export class FakeStepFunctions {
  readonly journals = new Map<string, MemoryJournal>();
  readonly #template: Template;
  readonly #executions: EmbeddedExecutions;
  /** By ARN. */
  readonly #known = new Map<string, KnownExecution>();

  /** @param invoke a function by its ARN */
  constructor(aws: FakeAws, template: Template, invoke: (functionArn: string, payload: unknown) => Promise<unknown>) {
    this.#template = template;
    this.#executions = new EmbeddedExecutions({
      clock: new SystemClock(),
      tasks: async (functionArn, payload) => withoutWaits(await invoke(functionArn, payload)),
      journal: (name) => {
        const journal = new MemoryJournal();
        this.journals.set(name, journal);
        return journal;
      },
    });
    const answers: Readonly<Record<string, (body: Body) => unknown>> = {
      ...this.#answersToTokens(),
      StartExecution: (body) => this.#start(body),
      DescribeExecution: ({ executionArn }) => describe(this.#find(executionArn)),
      ListExecutions: (body) => this.#list(body),
      GetExecutionHistory: (body) => this.#history(body),
    };
    for (const [name, answer] of Object.entries(answers)) aws.answers.set(`states:${name}`, answer);
  }

  startExecution(workflow: WorkflowName, name: string, input: unknown): Execution {
    const machine = machineName(workflow);
    const execution = this.#executions.start(this.#machine(machine), name, input);
    const known: KnownExecution = { execution, machine, input: JSON.stringify(input), startDate: Date.now() / 1000 };
    this.#known.set(arnOfExecution(machine, name), known);
    void execution.result.then((result) => (known.ended = { result, stopDate: Date.now() / 1000 }));
    return execution;
  }

  /** An execution that somebody started. */
  execution(workflow: WorkflowName, name: string): Execution {
    return this.#find(arnOfExecution(machineName(workflow), name)).execution;
  }

  /** As 90 days after its end. */
  forget(workflow: WorkflowName, name: string): void {
    this.#known.delete(arnOfExecution(machineName(workflow), name));
  }

  #machine(name: string) {
    const { Properties } = resourceNamed(this.#template, 'AWS::StepFunctions::StateMachine', 'StateMachineName', name);
    const substitutions = resolve(this.#template, Properties['DefinitionSubstitutions']) as Record<string, string>;
    return loadStateMachine(String(Properties['DefinitionString']), substitutions, name);
  }

  #find(arn: unknown): KnownExecution {
    const known = this.#known.get(String(arn));
    if (known === undefined) throw new AwsError('ExecutionDoesNotExist', 'no such execution');
    return known;
  }

  #start({ stateMachineArn, name, input }: Body): object {
    const workflow = (Object.keys(stateMachines) as WorkflowName[]).find((each) =>
      String(stateMachineArn).endsWith(`:stateMachine:${machineName(each)}`),
    );
    if (workflow === undefined) throw new AwsError('StateMachineDoesNotExist', 'no such machine');
    const executionArn = arnOfExecution(machineName(workflow), String(name));
    const earlier = this.#known.get(executionArn);
    if (earlier !== undefined && (earlier.ended !== undefined || earlier.input !== input)) {
      throw new AwsError('ExecutionAlreadyExists', `Execution Already Exists: '${executionArn}'`);
    }
    if (earlier === undefined) this.startExecution(workflow, String(name), JSON.parse(String(input)) as unknown);
    return { executionArn, startDate: this.#find(executionArn).startDate };
  }

  #list({ stateMachineArn, maxResults }: Body): object {
    const machine = String(stateMachineArn).replace(/^.*:stateMachine:/, '');
    const executions = [...this.#known.values()].filter((known) => known.machine === machine).map(describe);
    return { executions: executions.reverse().slice(0, Number(maxResults)) };
  }

  #history({ executionArn, maxResults, reverseOrder }: Body): object {
    const { execution } = this.#find(executionArn);
    const all = (this.journals.get(execution.name)?.events ?? []).map((event) => ({
      ...event,
      timestamp: Date.parse(event.timestamp) / 1000,
    }));
    const events = (reverseOrder === true ? all.toReversed() : all).slice(0, Number(maxResults));
    return { events, ...(events.length < all.length && { nextToken: 'more' }) };
  }

  #answersToTokens(): Readonly<Record<string, (body: Body) => unknown>> {
    const answering = (answer: (body: Body) => void) => (body: Body) => {
      try {
        answer(body);
        return {};
      } catch (error) {
        if (error instanceof TaskTokenError) throw new AwsError('TaskTimedOut', 'nobody waits for it');
        throw error;
      }
    };
    return {
      SendTaskSuccess: answering(({ taskToken, output }) => {
        this.#executions.sendTaskSuccess(String(taskToken), JSON.parse(String(output)));
      }),
      SendTaskFailure: answering(({ taskToken, error, cause }) => {
        this.#executions.sendTaskFailure(String(taskToken), String(error), String(cause));
      }),
      SendTaskHeartbeat: answering(({ taskToken }) => {
        this.#executions.sendTaskHeartbeat(String(taskToken));
      }),
    };
  }
}

/** What a machine waits for is there at once here. How long it should wait is tested where it is computed. */
function withoutWaits(result: unknown): unknown {
  if (typeof result !== 'object' || result === null) return result;
  const waits = Object.entries(result).filter(
    ([key, value]) => /^(capture)?waitSeconds$/i.test(key) && Number(value) > 1,
  );
  return { ...result, ...Object.fromEntries(waits.map(([key]) => [key, 1])) };
}

function machineName(workflow: WorkflowName): string {
  return `holdfast-test-${workflow}`;
}

function arnOfExecution(machine: string, name: string): string {
  return `arn:aws:states:${region}:${account}:execution:${machine}:${name}`;
}

function describe({ execution, machine, input, startDate, ended }: KnownExecution): object {
  const shared = {
    ...{ executionArn: arnOfExecution(machine, execution.name), name: execution.name },
    ...{ stateMachineArn: `arn:aws:states:${region}:${account}:stateMachine:${machine}`, input, startDate },
  };
  if (ended === undefined) return { ...shared, status: 'RUNNING' };
  const { result, stopDate } = ended;
  if (result.status === 'SUCCEEDED')
    return { ...shared, stopDate, status: 'SUCCEEDED', output: JSON.stringify(result.output) };
  return { ...shared, stopDate, status: result.status, error: result.error, cause: result.cause };
}
