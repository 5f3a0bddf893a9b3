import type { Json, JsonObject } from './json.ts';

/** The fields of the States Language that the engine implements. Only load-state-machine.ts makes these, after its checks. */
export interface StatesBlock {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
}

export interface StateMachine extends StatesBlock {
  /** For $$.StateMachine and ARNs. */
  readonly name: string;
  readonly TimeoutSeconds?: number;
}

interface BaseState {
  readonly Comment?: string;
  readonly InputPath?: string | null;
  readonly OutputPath?: string | null;
}

interface Onward {
  readonly Next?: string;
  readonly End?: boolean;
}

export interface Retrier {
  readonly ErrorEquals: readonly string[];
  readonly IntervalSeconds?: number;
  readonly MaxAttempts?: number;
  readonly BackoffRate?: number;
  readonly MaxDelaySeconds?: number;
  readonly JitterStrategy?: 'FULL' | 'NONE';
}

export interface Catcher {
  readonly ErrorEquals: readonly string[];
  readonly Next: string;
  readonly ResultPath?: string | null;
}

/** The fields of states that may fail and whose result is shaped: Task, Map, Parallel. */
interface WorkState extends BaseState, Onward {
  readonly Parameters?: Json;
  readonly ResultSelector?: JsonObject;
  readonly ResultPath?: string | null;
  readonly Retry?: readonly Retrier[];
  readonly Catch?: readonly Catcher[];
}

export interface TaskState extends WorkState {
  readonly Type: 'Task';
  readonly Resource: string;
  readonly TimeoutSeconds?: number;
  readonly TimeoutSecondsPath?: string;
  readonly HeartbeatSeconds?: number;
  readonly HeartbeatSecondsPath?: string;
}

export interface MapState extends WorkState {
  readonly Type: 'Map';
  readonly ItemProcessor?: StatesBlock;
  readonly Iterator?: StatesBlock;
  readonly ItemsPath?: string;
  readonly ItemSelector?: JsonObject;
  readonly MaxConcurrency?: number;
  readonly MaxConcurrencyPath?: string;
}

export interface ParallelState extends WorkState {
  readonly Type: 'Parallel';
  readonly Branches: readonly StatesBlock[];
}

export interface PassState extends BaseState, Onward {
  readonly Type: 'Pass';
  readonly Parameters?: Json;
  readonly Result?: Json;
  readonly ResultPath?: string | null;
}

export interface WaitState extends BaseState, Onward {
  readonly Type: 'Wait';
  readonly Seconds?: number;
  readonly SecondsPath?: string;
  readonly Timestamp?: string;
  readonly TimestampPath?: string;
}

/** A test, or And/Or/Not of tests; the operator and its operand are one of the remaining members. */
export interface ChoiceRule {
  readonly [operator: string]: Json | undefined;
  readonly Next?: string;
  readonly Variable?: string;
}

export interface ChoiceState extends BaseState {
  readonly Type: 'Choice';
  readonly Choices: readonly ChoiceRule[];
  readonly Default?: string;
}

export interface SucceedState extends BaseState {
  readonly Type: 'Succeed';
}

export interface FailState {
  readonly Type: 'Fail';
  readonly Comment?: string;
  readonly Error?: string;
  readonly ErrorPath?: string;
  readonly Cause?: string;
  readonly CausePath?: string;
}

export type State =
  TaskState | MapState | ParallelState | PassState | WaitState | ChoiceState | SucceedState | FailState;

/** The task kinds that the engine runs, by Resource. */
export const taskResources = {
  invoke: 'arn:aws:states:::lambda:invoke',
  invokeWithToken: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
  startExecution: 'arn:aws:states:::states:startExecution.sync:2',
} as const;
