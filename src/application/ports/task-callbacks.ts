/** How a worker answers its task token (Step Functions SendTask*; embedded: the IPC channel). */
export interface TaskCallbacks {
  success(token: string, output: unknown): Promise<void>;
  /** `cause` is the JSON of the error: code, message, next step. */
  failure(token: string, error: string, cause: string): Promise<void>;
  /** @returns false when the workflow no longer wants the task: the worker must stop itself. */
  heartbeat(token: string): Promise<boolean>;
}
