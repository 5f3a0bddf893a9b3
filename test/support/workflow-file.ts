import { readFileSync } from 'node:fs';
import { stateMachines, type WorkflowName } from '../../statemachines/manifest.ts';

/** A state as the file has it, before substitution. */
export interface FileState {
  readonly Type: string;
  readonly Comment?: string;
  readonly Next?: string;
  readonly Default?: string;
  readonly End?: boolean;
  readonly Resource?: string;
  readonly TimeoutSeconds?: number;
  readonly HeartbeatSeconds?: number;
  readonly Parameters?: { readonly FunctionName?: string; readonly Payload?: Readonly<Record<string, unknown>> };
  readonly Retry?: readonly { readonly ErrorEquals: readonly string[]; readonly MaxAttempts?: number }[];
  readonly Catch?: readonly {
    readonly ErrorEquals: readonly string[];
    readonly Next: string;
    readonly ResultPath?: string;
  }[];
  readonly Choices?: readonly { readonly Next: string }[];
  readonly Branches?: readonly FileBlock[];
  readonly ItemProcessor?: FileBlock;
}

export interface FileBlock {
  readonly Comment?: string;
  readonly StartAt: string;
  readonly States: Readonly<Record<string, FileState>>;
}

export function readWorkflowText(workflow: WorkflowName): string {
  return readFileSync(new URL(`../../statemachines/${stateMachines[workflow].file}`, import.meta.url), 'utf8');
}

export interface PlacedState {
  readonly name: string;
  readonly state: FileState;
  /** The states around it, outermost first: a failure reaches the first of them that catches. */
  readonly around: readonly FileState[];
}

/** Every state of a file with those it lies in. */
export function statesOf(block: FileBlock, around: readonly FileState[] = []): PlacedState[] {
  return Object.entries(block.States).flatMap(([name, state]) => {
    const inner = [...(state.Branches ?? []), ...(state.ItemProcessor ? [state.ItemProcessor] : [])];
    return [{ name, state, around }, ...inner.flatMap((nested) => statesOf(nested, [...around, state]))];
  });
}
